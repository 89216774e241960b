package cronexec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// result is how the command ended.
type result struct {
	code  int
	took  time.Duration
	ended time.Time
	err   error // why it did not start
}

// end is what the server is told, with the last of the output.
func (r result) end(output string) end {
	e := end{Message: output, Type: "success", Success: r.code == 0, ExitCode: r.code, DurationMS: r.took.Milliseconds()}
	if !e.Success {
		e.Type = "error"
	}
	return e
}

// runChild runs the command to its end.
func (r *run) runChild(out *output) result {
	cmd, err := startCommand(r.Command, func(c *exec.Cmd) {
		c.Env = r.environ()
		c.Stdin, c.Stdout, c.Stderr = r.Stdin, out.stdout, out.stderr
	})
	begun := time.Now()
	if err != nil {
		return result{code: startCode(r.Command[0], err), ended: begun, err: err}
	}
	out.begin()
	stop := r.signals.forward(cmd.Process)
	_ = cmd.Wait() // ProcessState says it all
	ended := time.Now()
	stop()
	return result{code: exitCode(cmd.ProcessState), took: ended.Sub(begun), ended: ended}
}

// environ is the command's. What an outer run put there is not this one's.
func (r *run) environ() []string {
	env := slices.DeleteFunc(slices.Clone(r.Environ), func(entry string) bool {
		return strings.HasPrefix(entry, "FERRYMAN_EXECUTION_ID=") || strings.HasPrefix(entry, "FERRYMAN_CRON=")
	})
	env = append(env, "FERRYMAN_CRON="+r.Slug)
	if r.report.Execution != 0 {
		env = append(env, "FERRYMAN_EXECUTION_ID="+strconv.FormatInt(r.report.Execution, 10))
	}
	return env
}

// startCommand starts argv as execvp(3) does, which hands a script without a
// first line that names its interpreter to the shell.
func startCommand(argv []string, prepare func(*exec.Cmd)) (*exec.Cmd, error) {
	start := func(name string, args ...string) (*exec.Cmd, error) {
		c := exec.Command(name, args...) //nolint:gosec,noctx // to run what it is given, to its end, is its purpose
		if errors.Is(c.Err, exec.ErrDot) {
			c.Err = nil // whoever has the working directory in PATH wants it so
		}
		prepare(c)
		return c, c.Start()
	}
	c, err := start(argv[0], argv[1:]...)
	if errors.Is(err, syscall.ENOEXEC) {
		c, err = start("/bin/sh", append([]string{c.Path}, argv[1:]...)...)
	}
	if err != nil {
		err = fmt.Errorf("the command cannot be run: %w", err)
	}
	return c, err
}

// startCode is the exit code for a command that did not start.
func startCode(name string, err error) int {
	missing := errors.Is(err, fs.ErrNotExist)
	if errors.Is(err, exec.ErrNotFound) {
		// Files that are found in PATH and cannot be run are passed over.
		missing = !slices.ContainsFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
			info, err := os.Stat(filepath.Join(dir, name))
			return err == nil && !info.IsDir()
		})
	}
	if missing {
		return ExitNotFound
	}
	return ExitNotExecutable
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
