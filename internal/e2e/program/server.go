package program

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// Server is a running server.
type Server struct {
	URL  string
	Cmd  *exec.Cmd
	Done chan struct{} // closed when the process has ended

	t   testing.TB
	mu  sync.Mutex
	log bytes.Buffer
}

// Serve starts a server on a free port, unless the arguments name one, and returns
// once it answers. Its state is in the given folder. What is still running at the
// test's end is killed.
func Serve(t testing.TB, binary, state string, env []string, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, Done: make(chan struct{})}
	s.Cmd = Command(t, binary, state, env, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	stderr, err := s.Cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		Saw(t, "log of ferryman serve", s.Logged())
		if t.Failed() {
			t.Logf("log of the server with pid %d:\n%s", s.Cmd.Process.Pid, s.Logged())
		}
	})
	serving := make(chan string, 1)
	go s.read(stderr, serving)
	select {
	case s.URL = <-serving:
	case <-s.Done:
		t.Fatalf("the server ended at its start:\n%s", s.Logged())
	case <-time.After(testwait.Limit):
		t.Fatal("the server does not start")
	}
	return s
}

func (s *Server) read(stderr io.Reader, serving chan<- string) {
	at := regexp.MustCompile(`msg=serving url=(\S+)`)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.mu.Lock()
		s.log.WriteString(lines.Text() + "\n")
		s.mu.Unlock()
		if m := at.FindStringSubmatch(lines.Text()); m != nil {
			serving <- m[1]
		}
	}
	_ = s.Cmd.Wait()
	close(s.Done)
}

// Logged is what the server has logged so far.
func (s *Server) Logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Kill ends the server as a power cut would.
func (s *Server) Kill() {
	_ = s.Cmd.Process.Kill()
	<-s.Done
}

// Stop ends the server as a service manager would, and gives its exit code.
func (s *Server) Stop() int {
	s.t.Helper()
	if err := s.Cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
	select {
	case <-s.Done:
	case <-time.After(testwait.Limit):
		s.t.Fatal("the server does not stop")
	}
	return s.Cmd.ProcessState.ExitCode()
}
