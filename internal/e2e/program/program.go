// Package program builds Ferryman's binary and runs it, for tests that look at it
// from outside.
package program

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// Main builds the binary, tells its path, and runs the tests of m. Then it searches
// what was seen of the program for the secrets that it was given. It gives what the
// process is to exit with.
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
	seen := filepath.Join(dir, "seen")
	if err := errors.Join(os.WriteFile(seen, nil, 0o600), os.Setenv(seenVariable, seen)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	found, err := leaks(seen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, leak := range found {
		fmt.Fprintln(os.Stderr, "a secret got out:", leak)
	}
	if len(found) > 0 {
		return 1
	}
	return code
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
// folder. Hand what it writes to Saw, or run it with Run.
func Command(t testing.TB, binary, state string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	secretsOf(t, state, env, args)
	cmd := exec.Command(binary, args...) //nolint:noctx,gosec // whoever starts it ends it; the arguments are a test's
	cmd.Dir = t.TempDir()                // no .env
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "FERRYMAN_STATE_DIR=" + state}, env...)
	return cmd
}

// Run runs a command to its end and gives what it wrote, and how it ended: an error is
// one of exec.ExitError.
func Run(t testing.TB, cmd *exec.Cmd) (stdout, stderr string, err error) {
	t.Helper()
	return RunFor(t, testwait.Limit, cmd)
}

// RunFor does so with a command that is told to end, as by Ctrl-C, if it runs longer.
func RunFor(t testing.TB, longest time.Duration, cmd *exec.Cmd) (stdout, stderr string, err error) {
	t.Helper()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(longest, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer stop.Stop()
	err = cmd.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	Saw(t, "output of "+called(cmd.Args[1:]), out.String())
	Saw(t, "problems of "+called(cmd.Args[1:]), problems.String())
	return out.String(), problems.String(), err
}
