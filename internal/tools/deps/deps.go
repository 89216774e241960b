// Package deps knows the modules that a program is linked from and their licences.
// It asks the go command and reads the module cache.
package deps

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Module is another module, of which some package is linked in.
type Module struct {
	Path    string
	Version string
	Dir     string // where its files are
}

// Platforms are those that are released, as GOOS/GOARCH.
func Platforms() []string {
	return []string{"linux/amd64", "linux/arm64", "windows/amd64", "darwin/amd64", "darwin/arm64"}
}

// Linked gives the modules that the package main at pkg is linked from, on one of the
// platforms at least, by their paths. pkg counts from the working directory.
func Linked(ctx context.Context, pkg string, platforms []string) ([]Module, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
	var all []Module
	for _, platform := range platforms {
		goos, goarch, _ := strings.Cut(platform, "/")
		cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", format, pkg) //nolint:gosec // the arguments are ours
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
		var problem bytes.Buffer
		cmd.Stderr = &problem
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w: %s", platform, err, bytes.TrimSpace(problem.Bytes()))
		}
		for line := range strings.Lines(string(out)) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if len(fields) == 3 {
				all = append(all, Module{fields[0], fields[1], fields[2]})
			}
		}
	}
	slices.SortFunc(all, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(all), nil
}

// Dirs gives the folders of modules by their paths.
func Dirs(ctx context.Context, paths []string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-m", "-f", "{{.Path}}\t{{.Dir}}"}, paths...)...) //nolint:gosec // paths of modules
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w: %s", err, bytes.TrimSpace(problem.Bytes()))
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		dirs[path] = dir
	}
	return dirs, nil
}
