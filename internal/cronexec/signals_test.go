package cronexec

import (
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// trap prints the signals that come, and ends with 7 after SIGTERM.
const trap = `for s in INT HUP QUIT USR1 USR2 WINCH; do trap "echo got $s" $s; done; trap "echo got TERM; exit 7" TERM
echo ready; while :; do sleep 0.02; done`

func outFile(t *testing.T, w *wrapped) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	w.Stdout = f
	return f.Name()
}

func TestSignalsAreHandedOn(t *testing.T) {
	t.Parallel()
	// Where the tests run under nohup the child would inherit that SIGHUP is ignored,
	// and a shell cannot trap what was ignored when it began.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, trap)
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, as under cron
	out := outFile(t, w)
	w.start()
	await(t, out, "ready")
	for _, s := range []struct {
		name   string
		signal syscall.Signal
	}{
		{"INT", syscall.SIGINT}, {"HUP", syscall.SIGHUP}, {"QUIT", syscall.SIGQUIT}, {"USR1", syscall.SIGUSR1},
		{"USR2", syscall.SIGUSR2}, {"WINCH", syscall.SIGWINCH}, {"TERM", syscall.SIGTERM},
	} {
		if err := w.Process.Signal(s.signal); err != nil {
			t.Fatal(err)
		}
		await(t, out, "got "+s.name)
	}
	if code := w.end(); code != 7 {
		t.Errorf("code %d", code)
	}
	if text := await(t, out, "TERM"); strings.Count(text, "got") != 7 {
		t.Errorf("got twice: %s", text)
	}
	if end := l.only(t, "/end").body; end["exit_code"] != 7.0 {
		t.Errorf("end %v", end)
	}
}

func TestSignalEndsTheCommand(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, "echo ready; exec sleep 300")
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out := outFile(t, w)
	w.start()
	await(t, out, "ready")
	_ = w.Process.Signal(syscall.SIGTERM)
	if code := w.end(); code != 143 {
		t.Errorf("code %d", code)
	}
	if end := l.only(t, "/end").body; end["exit_code"] != 143.0 || end["success"] != false {
		t.Errorf("end %v", end)
	}
}

// What is ignored stays so for the command, as nohup wants it.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, `kill -HUP $$; kill -INT $$; echo alive`)
	w.Args = []string{"sh", "-c", `trap "" HUP INT; exec "$0"`, w.Path}
	w.Path = "/bin/sh"
	if code := w.run(); code != 0 || w.stdout.String() != "alive\n" {
		t.Errorf("code %d, %q, %s", code, w.stdout.String(), w.stderr.String())
	}
}

func TestSignalBeforeTheStartIsAnswered(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 3)
	l := newLedger(t, on("/start", func(w http.ResponseWriter, r *http.Request, n int) bool {
		asked <- struct{}{}
		return hang(w, r, n)
	}))
	dir := t.TempDir()
	w := wrap(t, Options{URL: l.URL, SpoolDir: dir}, "echo ran")
	w.start()
	testwait.Receive(t, asked)
	_ = w.Process.Signal(syscall.SIGTERM)
	if code := w.end(); code != 143 || w.stdout.String() != "" {
		t.Errorf("code %d, %q", code, w.stdout.String())
	}
	// The server may have taken the start: it must learn that nothing ran.
	names := spool{dir}.names()
	if len(names) != 1 {
		t.Fatalf("kept %v", names)
	}
	p, err := spool{dir}.read(names[0])
	if err != nil || p.Execution != 0 || p.End.Success || p.End.ExitCode != 143 || !strings.Contains(p.End.Message, "not run") {
		t.Errorf("kept %+v, %v", p, err)
	}
}

// timeout(1) and service managers send a signal to all of a group. The one that
// ends the command leaves the report its time.
func TestSignalToTheGroupIsReported(t *testing.T) {
	t.Parallel()
	pid := make(chan int, 1)
	l := newLedger(t, on("/end", func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		select {
		case p := <-pid:
			_ = syscall.Kill(p, syscall.SIGTERM) // as if it came a little late
		case <-r.Context().Done(): // it tries again, which the test tells
		}
		select {
		case <-r.Context().Done(): // it has taken the report along
		case <-time.After(lastGrace / 4):
		}
		return false
	}))
	dir := t.TempDir()
	w := wrap(t, Options{URL: l.URL, SpoolDir: dir}, "echo ready; exec sleep 300")
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out := outFile(t, w)
	w.start()
	await(t, out, "ready")
	pid <- w.Process.Pid
	_ = syscall.Kill(-w.Process.Pid, syscall.SIGTERM)
	if code := w.end(); code != 143 || w.stderr.String() != "" || len(spool{dir}.names()) != 0 {
		t.Errorf("code %d, says %s, kept %v", code, w.stderr.String(), spool{dir}.names())
	}
	l.only(t, "/end")
}

// A signal ends also a run whose output nobody reads, and its end is reported.
func TestSignalWhileNobodyReads(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	dir := t.TempDir()
	ended := filepath.Join(dir, "ended")
	w := wrap(t, Options{URL: l.URL}, `head -c 100000 /dev/zero; echo $$ >`+ended+`; exit 4`)
	r, full, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Stdout, w.Stderr = full, full
	w.start()
	pid, err := strconv.Atoi(strings.TrimSpace(await(t, ended, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the command is gone", func() bool { return syscall.Kill(pid, 0) != nil })
	// The first may still be taken as the command's.
	for range 4 {
		_ = w.Process.Signal(syscall.SIGTERM)
		<-time.After(lastGrace / 10)
	}
	if code := w.end(); code != 4 {
		t.Errorf("code %d", code)
	}
	l.only(t, "/end")
}

func TestSignalCutsTheReportOff(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 3)
	l := newLedger(t, on("/end", func(w http.ResponseWriter, r *http.Request, n int) bool {
		asked <- struct{}{}
		return hang(w, r, n)
	}))
	dir := t.TempDir()
	w := wrap(t, Options{URL: l.URL, SpoolDir: dir}, "exit 4")
	w.start()
	testwait.Receive(t, asked)
	_ = w.Process.Signal(syscall.SIGINT)
	if code := w.end(); code != 4 || len(spool{dir}.names()) != 1 || len(l.got("/end")) == callTries {
		t.Errorf("code %d, kept %v, calls %v", code, spool{dir}.names(), l.got(""))
	}
}
