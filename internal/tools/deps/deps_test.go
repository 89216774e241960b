package deps

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const root = "../../.."

// TestPlatforms compares the platforms with those that a release is built for.
func TestPlatforms(t *testing.T) {
	text, err := os.ReadFile(root + "/.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type platform struct{ Goos, Goarch string }
	var release struct {
		Builds []struct {
			Goos, Goarch []string
			Ignore       []platform
		}
	}
	if err := yaml.Unmarshal(text, &release); err != nil || len(release.Builds) != 1 {
		t.Fatalf("%+v, %v", release, err)
	}
	var built []string
	for _, os := range release.Builds[0].Goos {
		for _, arch := range release.Builds[0].Goarch {
			if !slices.Contains(release.Builds[0].Ignore, platform{os, arch}) {
				built = append(built, os+"/"+arch)
			}
		}
	}
	if got := Platforms(); !slices.Equal(got, built) {
		t.Errorf("%q, but a release is built for %q", got, built)
	}
}

func TestLinked(t *testing.T) {
	windows, err := Linked(t.Context(), root+"/cmd/ferryman", []string{"windows/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	find := func(path string) int {
		return slices.IndexFunc(windows, func(m Module) bool { return m.Path == path })
	}
	if find("github.com/inconshreveable/mousetrap") < 0 { // cobra has it on Windows only
		t.Errorf("a module of this platform is missing in %v", windows)
	}
	if find("pgregory.net/rapid") >= 0 || find("ferryman") >= 0 {
		t.Errorf("there is what is not another's, or not linked in: %v", windows)
	}
	dirs, err := Dirs(t.Context(), []string{"github.com/spf13/cobra"})
	if err != nil || !strings.Contains(dirs["github.com/spf13/cobra"], "cobra@v") {
		t.Errorf("%q, %v", dirs, err)
	}
	if _, err := Linked(t.Context(), "./nowhere", Platforms()); err == nil {
		t.Error("a package that is not there is linked from nothing")
	}
}
