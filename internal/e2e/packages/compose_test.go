package packages

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestCompose looks whether the file for containers fits together: there is no engine
// here that could run it.
func TestCompose(t *testing.T) {
	type service struct {
		Environment map[string]string
		Secrets     []string
		Healthcheck struct{ Test []string }
		DependsOn   map[string]any `yaml:"depends_on"`
		Volumes     []string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		Privileged  bool
		Ports       []string
	}
	var compose struct {
		Services map[string]service
		Secrets  map[string]struct{ File string }
		Volumes  map[string]any
	}
	if err := yaml.Unmarshal(read(t, "deploy/compose.yaml"), &compose); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(compose.Services)); !slices.Equal(got, []string{"node-1", "node-2", "postgres"}) {
		t.Errorf("the services are %q", got)
	}
	settings := string(read(t, "docs/configuration.md"))
	for name, s := range compose.Services {
		for variable, value := range s.Environment {
			if strings.HasPrefix(name, "node-") && !strings.Contains(settings, "`"+variable+"`") {
				t.Errorf("%s: there is no setting %s", name, variable)
			}
			secret, fromFile := strings.CutPrefix(value, "/run/secrets/")
			if fromFile && !slices.Contains(s.Secrets, secret) {
				t.Errorf("%s: it does not get the secret %s", name, secret)
			}
			if sensitive := strings.Contains(variable, "PASSWORD") || strings.Contains(variable, "SECRET") || strings.Contains(variable, "URL"); sensitive && !fromFile {
				t.Errorf("%s: %s does not come from a file", name, variable)
			}
		}
		for _, secret := range s.Secrets {
			if !strings.HasPrefix(compose.Secrets[secret].File, "secrets/") {
				t.Errorf("%s: there is no secret %s", name, secret)
			}
		}
		if !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.Privileged {
			t.Errorf("%s: it may gain rights", name)
		}
		if strings.HasPrefix(name, "node-") && (!s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"})) {
			t.Errorf("%s: it has rights that it does not need", name)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: the network reaches %s", name, port)
			}
		}
		for _, volume := range s.Volumes {
			volume, _, _ = strings.Cut(volume, ":")
			if _, ok := compose.Volumes[volume]; !ok {
				t.Errorf("%s: there is no volume %s", name, volume)
			}
		}
		for other := range s.DependsOn {
			if _, ok := compose.Services[other]; !ok {
				t.Errorf("%s: there is no service %s", name, other)
			}
		}
		if len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s: its health is not checked", name)
		}
	}
	if image := string(read(t, "deploy/Containerfile")); !strings.Contains(image, "\nUSER 65532:65532\n") {
		t.Error("the image's user is another than that of nobody")
	}
	ignored := string(read(t, ".gitignore"))
	for _, path := range []string{"/deploy/.env\n", "/deploy/secrets/\n", "/deploy/ferryman.compose.env\n"} {
		if !strings.Contains(ignored, path) {
			t.Errorf("git does not ignore %s", path)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(checkout, path))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
