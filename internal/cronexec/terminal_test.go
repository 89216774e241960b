//go:build linux

package cronexec

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ferryman/internal/testwait"
)

// screen is what a terminal shows.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// newTerminal gives a terminal: what a person types at, what programs have, and what it
// shows.
func newTerminal(t *testing.T) (keys, tty *os.File, shown *screen) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	shown = new(screen)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := keys.Read(buf)
			if err != nil {
				return
			}
			shown.Write(buf[:n])
		}
	}()
	return keys, tty, shown
}

// Who looks on is told why nothing runs; a cron, whose lines are mailed, is not.
func TestRefusalIsToldToATerminal(t *testing.T) {
	t.Parallel()
	l := newLedger(t, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, `{"code":"cron_paused","detail":"the cron is paused"}`)
		return true
	})
	_, tty, shown := newTerminal(t)
	w := wrap(t, Options{URL: l.URL}, "echo ran")
	w.Stderr = tty
	w.start()
	if code := w.end(); code != 0 || w.stdout.String() != "" {
		t.Errorf("code %d, %q", code, w.stdout.String())
	}
	testwait.Until(t, "the reason", func() bool { return strings.Contains(shown.String(), "nightly is not run, for the server refuses") })
	if w = wrap(t, Options{URL: l.URL}, "echo ran"); w.run() != 0 || w.stderr.String() != "" {
		t.Errorf("says %q", w.stderr.String())
	}
}

// Keys and a change in size reach the command once, though the terminal sends
// them to all of its foreground.
func TestTerminal(t *testing.T) {
	t.Parallel()
	keys, tty, shown := newTerminal(t)
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, trap)
	w.Stdin, w.Stdout, w.Stderr = tty, tty, tty
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	w.start()
	see := func(what string) {
		t.Helper()
		testwait.Until(t, what, func() bool { return strings.Contains(shown.String(), what) })
	}
	see("ready")
	fmt.Fprint(keys, "\x03")
	see("got INT")
	fmt.Fprint(keys, "\x1c")
	see("got QUIT")
	if err := unix.IoctlSetWinsize(int(keys.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 10}); err != nil {
		t.Fatal(err)
	}
	see("got WINCH")
	_ = w.Process.Signal(syscall.SIGTERM) // comes from elsewhere, and is handed on
	see("got TERM")
	if code := w.end(); code != 7 {
		t.Errorf("code %d", code)
	}
	if text := shown.String(); strings.Count(text, "got ") != 4 {
		t.Errorf("some came twice: %q", text)
	}
}

// Whoever has our output in common with us may make it non-blocking, as some do
// with a terminal. Nothing is lost by that.
func TestOutputBecomesNonBlocking(t *testing.T) {
	t.Parallel()
	const size = 300_000 // more than the pipe and the wrapper hold
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, fmt.Sprintf("printf x; read _; head -c %d /dev/zero", size))
	in, gate, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Stdin, w.Stdout = in, ours
	w.start()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(int(ours.Fd()), true); err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	fmt.Fprintln(gate)
	testwait.Until(t, "the pipe is full", func() bool {
		n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
		return err != nil || n >= 64<<10
	})
	got, err := io.ReadAll(r)
	if err != nil || len(got) != size {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if code := w.end(); code != 0 || w.stderr.String() != "" {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
}
