//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"ferryman/internal/testaddr"
	"ferryman/internal/testwait"
)

// postgres is a PostgreSQL server of the suite's own, as durable as it comes, so that
// it can be killed.
type postgres struct {
	bin, dir string
	port     int
	env      []string
	as       *syscall.Credential // nil: whoever we are
	cmd      *exec.Cmd
	done     chan struct{} // closed when the process has ended
	admin    *sql.DB       // its database postgres, looked at past every proxy
}

// postgresPrograms is the folder of the newest PostgreSQL that is installed.
func postgresPrograms(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		return filepath.Dir(slices.Max(found))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path)
		}
	}
	const missing = `no PostgreSQL is installed: "scripts/testdb up" does it`
	if os.Getenv("CI") != "" || os.Getenv("FERRYMAN_TEST_REQUIRE_DB") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// newPostgres starts one, with more variables in the server's environment.
func newPostgres(t testing.TB, env ...string) *postgres {
	t.Helper()
	p := &postgres{bin: postgresPrograms(t), port: testaddr.Port(t)}
	dir, err := os.MkdirTemp("/var/tmp", "ferryman-chaos-") //nolint:usetesting // nobody else may enter the folder of a test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p.dir = filepath.Join(dir, "data")
	if os.Geteuid() == 0 { // as whom it refuses to run
		p.as = nobody(t)
		if err := os.Chown(dir, int(p.as.Uid), int(p.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := p.program("initdb", "-D", p.dir, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p.admin, err = sql.Open("pgx", p.url(p.address(), "postgres")+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	p.step(t, "+0")
	p.env = append(env, "FAKETIME_TIMESTAMP_FILE="+p.clock())
	p.start(t)
	t.Cleanup(func() {
		p.admin.Close()
		p.signal(t, syscall.SIGCONT)
		p.kill(t)
		if t.Failed() {
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("log of PostgreSQL (%v):\n%.20000s", err, log)
		}
	})
	return p
}

func nobody(t testing.TB) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, gidErr); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (p *postgres) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir, cmd.Env = filepath.Dir(p.dir), append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}, p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	return cmd
}

func (p *postgres) address() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// url is that of a database, reached at an address.
func (p *postgres) url(address, name string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", address, name)
}

// create makes a database and opens it past every proxy.
func (p *postgres) create(t testing.TB, name string) *sql.DB {
	t.Helper()
	if _, err := p.admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", p.url(p.address(), name)+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// start begins the server and returns once it answers.
func (p *postgres) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(filepath.Dir(p.dir), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.program("postgres", "-D", p.dir, "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "max_connections=200", "-c", "timezone=Asia/Kolkata", "-c", "log_timezone=UTC")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	done, started := make(chan struct{}), make(chan error, 1)
	go func() {
		defer log.Close()
		// It gets its signal when the thread that started it ends: that stays ours.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	p.cmd, p.done = cmd, done
	testwait.Until(t, "PostgreSQL answers", func() bool {
		select {
		case <-done:
			t.Fatal("PostgreSQL ended at its start")
		default:
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testwait.Limit)
		defer cancel()
		return p.admin.PingContext(ctx) == nil
	})
}

// stop ends it as an administrator in a hurry does.
func (p *postgres) stop(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	testwait.Receive(t, p.done)
}

// kill ends all of its processes as a power cut would.
func (p *postgres) kill(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // it starts no more of them; it may have ended
	children := p.children()
	_ = p.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	testwait.Receive(t, p.done)
	testwait.Until(t, "PostgreSQL's processes are gone", func() bool {
		return !slices.ContainsFunc(children, lives)
	})
}

// lives tells whether a process is there and more than an entry that nobody has read.
func lives(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "\nState:\tZ")
}

// signal reaches all of its processes.
func (p *postgres) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	if s != syscall.SIGCONT {
		_ = p.cmd.Process.Signal(s) // it may just end
	}
	for _, pid := range p.children() {
		_ = syscall.Kill(pid, s) // so may they
	}
	if s == syscall.SIGCONT {
		_ = p.cmd.Process.Signal(s)
	}
}

func (p *postgres) children() (pids []int) {
	pid := p.cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil // it has ended
	}
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}
