package cronexec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/testaddr"
	"ferryman/internal/testwait"
)

// optionsEnv turns the test binary into a process that calls Run and nothing
// else: Run takes over the signals and the files of its process.
const optionsEnv = "CRONEXEC_TEST_OPTIONS"

// timeoutEnv bounds the calls of such a process. Only something broken, or what is to
// hang, lasts as long as without it.
const timeoutEnv = "CRONEXEC_TEST_CALL_TIMEOUT"

func TestMain(m *testing.M) {
	if text := os.Getenv(optionsEnv); text != "" {
		_ = os.Unsetenv(optionsEnv)
		os.Exit(runOptions(text))
	}
	// The tests wait for processes, servers and time-outs rather than compute.
	_ = flag.Set("test.parallel", "8") // it is there
	os.Exit(m.Run())
}

func runOptions(text string) int {
	var o Options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	o.Stdin, o.Stdout, o.Stderr, o.Environ = os.Stdin, os.Stdout, os.Stderr, os.Environ()
	o.callTimeout = testwait.Limit
	if text := os.Getenv(timeoutEnv); text != "" {
		_ = os.Unsetenv(timeoutEnv)
		o.callTimeout, _ = time.ParseDuration(text)
	}
	signal.Reset()
	return Run(context.Background(), o)
}

// wrapped is a process that calls Run.
type wrapped struct {
	*exec.Cmd
	t              *testing.T
	stdout, stderr bytes.Buffer
}

// wrap prepares one. Its command is a shell script.
func wrap(t *testing.T, o Options, script string) *wrapped {
	t.Helper()
	o.Command = []string{"sh", "-c", script}
	return wrapCommand(t, o)
}

func wrapCommand(t *testing.T, o Options) *wrapped {
	t.Helper()
	if o.Slug == "" {
		o.Slug = "nightly"
	}
	if o.Key == "" {
		o.Key = "fm_secretsecret"
	}
	text, err := json.Marshal(o) //nolint:staticcheck // what has functions in it is nil here
	if err != nil {
		t.Fatal(err)
	}
	w := &wrapped{Cmd: exec.Command(os.Args[0]), t: t}
	w.Env = append(os.Environ(), optionsEnv+"="+string(text), "NO_PROXY=*", "GORACE=atexit_sleep_ms=0")
	w.Stdout, w.Stderr = &w.stdout, &w.stderr
	w.WaitDelay = testwait.Limit
	return w
}

// impatient has it wait for the answer to a call for less long, where one never comes.
func (w *wrapped) impatient() { w.Env = append(w.Env, timeoutEnv+"=3s") }

func (w *wrapped) start() {
	w.t.Helper()
	if err := w.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.SysProcAttr != nil && w.SysProcAttr.Setsid && w.ProcessState == nil {
			_ = syscall.Kill(-w.Process.Pid, syscall.SIGKILL) // its job, too, which nothing else would end
		}
		_ = w.Process.Kill()
	})
}

// end waits, and gives the exit code.
func (w *wrapped) end() int {
	w.t.Helper()
	if err := w.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			w.t.Fatal(err)
		}
	}
	status, _ := w.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		w.t.Fatalf("a signal ended it: %v", status.Signal())
	}
	if strings.Contains(w.stderr.String(), "fm_secret") {
		w.t.Errorf("the key is told: %s", w.stderr.String())
	}
	return w.ProcessState.ExitCode()
}

func (w *wrapped) run() int {
	w.t.Helper()
	w.start()
	return w.end()
}

// call is what came to a ledger.
type call struct {
	path string
	key  string
	body map[string]any   // of a start and an end
	list []map[string]any // of messages
}

// ledger is a server that keeps the calls and answers them as the real one does,
// unless answer does so.
type ledger struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, n int) bool // n counts calls, from 1

	mu    sync.Mutex
	calls []call
	ids   map[string]int64 // by rid
}

func newLedger(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int) bool) *ledger {
	t.Helper()
	l := &ledger{answer: answer, ids: map[string]int64{}}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

// newLedgerAt serves at an address where nobody did.
func newLedgerAt(t *testing.T, at *testaddr.Deserted, answer func(w http.ResponseWriter, r *http.Request, n int) bool) *ledger {
	t.Helper()
	l := &ledger{answer: answer, ids: map[string]int64{}}
	l.Server = httptest.NewUnstartedServer(l)
	_ = l.Listener.Close()
	l.Listener = at.Listen(t)
	l.Start()
	t.Cleanup(l.Close)
	return l
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(r.Body)
	c := call{path: r.URL.EscapedPath(), key: r.Header.Get("X-API-KEY")}
	if err == nil && json.Unmarshal(content, &c.body) != nil {
		err = json.Unmarshal(content, &c.list)
	}
	if err != nil || len(content) > 1<<20 || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, fmt.Sprint("bad call: ", err), http.StatusBadRequest)
		return
	}
	rid, _ := c.body["rid"].(string)
	l.mu.Lock()
	l.calls = append(l.calls, c)
	n := len(l.calls)
	l.mu.Unlock()
	if l.answer != nil && l.answer(w, r, n) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !strings.HasSuffix(c.path, "/start") {
		fmt.Fprint(w, `{"id":1}`)
		return
	}
	if rid == "" || r.Header.Get("Idempotency-Key") != rid {
		http.Error(w, "no rid", http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids[rid] == 0 {
		l.ids[rid] = int64(100 + len(l.ids))
	}
	fmt.Fprintf(w, `{"id":%d,"status":"running"}`, l.ids[rid])
}

// got gives the calls whose path ends so.
func (l *ledger) got(suffix string) (found []call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if strings.HasSuffix(c.path, suffix) {
			found = append(found, c)
		}
	}
	return found
}

// only gives the one call whose path ends so.
func (l *ledger) only(t *testing.T, suffix string) call {
	t.Helper()
	found := l.got(suffix)
	if len(found) != 1 {
		t.Fatalf("%d calls of %s, want 1: %v", len(found), suffix, l.got(""))
	}
	return found[0]
}

// timeIn gives a time that a body holds.
func timeIn(t *testing.T, body map[string]any, name string) time.Time {
	t.Helper()
	text, _ := body[name].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatalf("%s: %v in %v", name, err, body)
	}
	return at
}

func status(code int) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(code)
		return true
	}
}

// on answers the calls whose path ends so.
func on(suffix string, answer func(http.ResponseWriter, *http.Request, int) bool) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, n int) bool {
		return strings.HasSuffix(r.URL.Path, suffix) && answer(w, r, n)
	}
}
