// Package program builds Ferryman's binary and runs it, for tests that look at it
// from outside.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Main builds the binary, tells its path, and runs the tests of m. It gives what
// the process is to exit with.
func Main(m *testing.M, path *string) int {
	dir, err := os.MkdirTemp("", "ferryman-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is a temporary folder
	*path = filepath.Join(dir, "ferryman")
	if err := Build(*path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Build builds the binary to a file, with flags of go build.
func Build(file string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-o", file}, append(flags, "ferryman/cmd/ferryman")...)
	build := exec.Command("go", args...) //nolint:noctx,gosec // it ends by itself; the arguments are ours
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// Command makes the binary ready to run, with no settings but env and a state
// folder.
func Command(t testing.TB, binary, state string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary, args...) //nolint:noctx,gosec // whoever starts it ends it; the arguments are a test's
	cmd.Dir = t.TempDir()                // no .env
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "FERRYMAN_STATE_DIR=" + state}, env...)
	return cmd
}
