package packages

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"

	"ferryman/internal/e2e/program"
)

// checkout is the root of the module.
var checkout = filepath.Join("..", "..", "..")

// what the packages are made from, beside what program.LookAtSources sees.
var made = []string{".goreleaser.yaml", "deploy", "scripts/packagefiles", "CHANGELOG.md", "LICENSE", "THIRD_PARTY_LICENSES", "docs", "README.md"}

// TestSourcesCountForTheCache looks at each file that goes into the packages: it is done
// by other processes, where Go's test cache does not see it.
func TestSourcesCountForTheCache(t *testing.T) {
	program.LookAtSources(t, checkout)
	for _, top := range made {
		err := filepath.WalkDir(filepath.Join(checkout, top), func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// needs gives what an environment variable names. Without it the test is skipped, or
// fails where everything that tests need has to be there.
func needs(t *testing.T, variable string) string {
	t.Helper()
	if value := os.Getenv(variable); value != "" {
		return value
	}
	missing := variable + ` is not set: run "make test" as root, on Debian`
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// release does what "make release" does, for linux/amd64 alone and as if the last tag
// were the given one, and gives the folder of what came out.
func release(t *testing.T, goreleaser, tag string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkout, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	dist := filepath.Join(buildFolder(t), "dist")
	config["dist"] = dist
	build := config["builds"].([]any)[0].(map[string]any)
	build["goos"], build["goarch"] = []string{"linux"}, []string{"amd64"}
	delete(build, "ignore")
	text, err = yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "goreleaser.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(goreleaser, "release", "--snapshot", "--config", file)
	cmd.Dir = checkout
	cmd.Env = append(os.Environ(), "GORELEASER_CURRENT_TAG="+tag,
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=remote.origin.url", "GIT_CONFIG_VALUE_0=.") // see the Makefile
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("release %s: %v\n%s", tag, err, out)
	}
	return dist
}

// buildFolder makes a folder within the module, where the tools of the build are found,
// and removes it with the test.
func buildFolder(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(checkout, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(bin, "test-packages-") //nolint:usetesting // it has to be within the module
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// only gives the one file of a folder that matches.
func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %q, %v", pattern, dir, found, err)
	}
	return found[0]
}
