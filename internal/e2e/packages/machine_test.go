package packages

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ferryman/internal/testwait"
)

// bootScript becomes a machine.
//
//go:embed testdata/boot.sh
var bootScript string

// machine is a Debian system that runs in namespaces of its own: it has no network but
// loopback, sees no process and no mount of this machine's, and writes to a layer above
// the system that scripts/debroot has made.
type machine struct {
	pid int // of its first process, as this machine has it
}

// boot starts a machine and returns once systemd has started everything. host is a
// folder that the machine sees as /host. It is gone with the test, or with this process.
func boot(t *testing.T, root, host string) *machine {
	t.Helper()
	work := t.TempDir()
	console, err := os.Create(filepath.Join(work, "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	cgroup := makeCgroup(t)
	cmd := exec.Command("bash", "-c", bootScript, "boot", root, work, host, cgroup)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // and all below it
		<-ended
		if text, _ := os.ReadFile(console.Name()); t.Failed() {
			t.Logf("console of the machine:\n%s", text)
		}
	})
	m := &machine{}
	testwait.Until(t, "the machine has started", func() bool {
		select {
		case <-ended:
			t.Fatal("the machine does not start")
		default:
		}
		if m.pid == 0 {
			m.pid = systemdBelow(cmd.Process.Pid)
			return false
		}
		state, _ := m.try("systemctl", "is-system-running")
		return strings.HasPrefix(state, "running") || strings.HasPrefix(state, "degraded")
	})
	return m
}

// systemdBelow gives the id of the child of a process once it has become systemd, and 0
// before.
func systemdBelow(parent int) int {
	id := strconv.Itoa(parent)
	children, _ := os.ReadFile(filepath.Join("/proc", id, "task", id, "children"))
	child := strings.TrimSpace(string(children))
	name, _ := os.ReadFile(filepath.Join("/proc", child, "comm"))
	if strings.TrimSpace(string(name)) != "systemd" {
		return 0
	}
	pid, _ := strconv.Atoi(child)
	return pid
}

// try runs a command on the machine as root, and gives what it prints.
func (m *machine) try(args ...string) (string, error) {
	in := []string{
		"--target", strconv.Itoa(m.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
	}
	out, err := exec.Command("nsenter", append(in, args...)...).CombinedOutput()
	return string(out), err
}

// run runs a command that should succeed.
func (m *machine) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.try(args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

// shell runs a script that should succeed.
func (m *machine) shell(t *testing.T, script string) string {
	t.Helper()
	return m.run(t, "bash", "-euc", script)
}

// makeCgroup makes a control group for a machine, in which systemd makes its own, and
// removes those that killed tests have left.
func makeCgroup(t *testing.T) string {
	t.Helper()
	const prefix = "ferryman-machine-"
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	top := ""
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			top = fields[1]
		}
	}
	if top == "" {
		t.Fatal("no cgroup2 is mounted here")
	}
	left, _ := filepath.Glob(filepath.Join(top, prefix+"*"))
	for _, dir := range left {
		if _, err := os.Stat("/proc/" + strings.TrimPrefix(filepath.Base(dir), prefix)); err != nil {
			removeCgroup(dir)
		}
	}
	dir := filepath.Join(top, prefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		testwait.Until(t, "the machine's last process has ended", func() bool {
			removeCgroup(dir)
			_, err := os.Stat(dir)
			return err != nil
		})
	})
	return dir
}

// removeCgroup removes a control group and those in it, if no process is there.
func removeCgroup(dir string) {
	inner, _ := os.ReadDir(dir)
	for _, e := range inner {
		if e.IsDir() {
			removeCgroup(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}
