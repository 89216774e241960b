package cronexec

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/testaddr"
)

func TestRunIsReported(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL + "/"}, `echo err >&2; echo out; echo "$FERRYMAN_CRON $FERRYMAN_EXECUTION_ID $FERRYMAN_API_KEY"; exit 3`)
	w.Env = append(w.Env, "FERRYMAN_EXECUTION_ID=7", "FERRYMAN_CRON=outer", "FERRYMAN_API_KEY=passed on")
	if code := w.run(); code != 3 || w.stdout.String() != "out\nnightly 100 passed on\n" || w.stderr.String() != "err\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, w.stdout.String(), w.stderr.String())
	}
	start := l.only(t, "/api/nightly/start")
	host, _ := os.Hostname()
	if start.key != "fm_secretsecret" || start.body["host"] != host || len(start.body["rid"].(string)) != 36 {
		t.Errorf("start %v", start)
	}
	if _, has := start.body["started_at"]; has {
		t.Errorf("a start that asks for leave tells its time: %v", start)
	}
	end := l.only(t, "/api/100/end").body
	if _, has := end["ended_at"]; has {
		t.Errorf("an end in time tells its time: %v", end)
	}
	if end["type"] != "error" || end["success"] != false || end["exit_code"] != 3.0 || end["duration_ms"].(float64) < 0 {
		t.Errorf("end %v", end)
	}
	if text := end["message"].(string); !strings.Contains(text, "out\nnightly") || !strings.Contains(text, "err\n") {
		t.Errorf("message %q", text)
	}
}

func TestSuccessWithoutOutput(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	if code := wrap(t, Options{URL: l.URL}, `echo; echo "  "`).run(); code != 0 {
		t.Errorf("code %d", code)
	}
	end := l.only(t, "/api/100/end").body
	if _, has := end["message"]; has || end["type"] != "success" || end["success"] != true || end["exit_code"] != 0.0 {
		t.Errorf("end %v", end)
	}
}

// Whatever the server says to the start, but a plain no, the command runs; and
// for those who want it otherwise it does not.
func TestAnswersToTheStart(t *testing.T) {
	t.Parallel()
	page := func(content string) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			fmt.Fprint(w, content)
			return true
		}
	}
	const (
		runs = iota
		refuses
	)
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, int) bool
		what   int
		starts int // tries
		kept   int // reports in the spool
		says   []string
	}{
		"inactive":        {status(418), refuses, 1, 0, nil},
		"already running": {status(409), refuses, 1, 0, nil},
		"error":           {status(500), runs, 4, 1, []string{"500 Internal Server Error"}},
		"unavailable":     {status(503), runs, 4, 1, []string{"503 Service Unavailable"}},
		"rate limit": {func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
			return true
		}, runs, 4, 1, []string{"429 Too Many Requests"}},
		"wrong key":      {status(401), runs, 1, 0, []string{"does not take the key", "FERRYMAN_API_KEY"}},
		"weak key":       {status(403), runs, 1, 0, []string{"may not report", "--scope ping"}},
		"unknown":        {status(404), runs, 1, 0, []string{"knows no such cron", "ferryman cron add nightly"}},
		"redirect":       {status(302), runs, 1, 0, []string{"302 Found"}},
		"not JSON":       {page("<html>"), runs, 1, 0, []string{"not understood"}},
		"no id":          {page(`{"ok":true}`), runs, 1, 0, []string{"no id", "FERRYMAN_URL"}},
		"wrong id":       {page(`{"id":"x"}`), runs, 1, 0, []string{"not understood"}},
		"closes":         {func(http.ResponseWriter, *http.Request, int) bool { panic(http.ErrAbortHandler) }, runs, 4, 1, []string{"closed the connection"}},
		"hangs":          {hang, runs, 4, 1, []string{"gives no answer in time"}},
		"cut off answer": {cutOff, runs, 4, 1, []string{"ended before it was complete"}},
	} {
		for _, fail := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fail %t", name, fail), func(t *testing.T) {
				t.Parallel()
				l := newLedger(t, on("/start", c.answer))
				dir := filepath.Join(t.TempDir(), "spool")
				w := wrap(t, Options{URL: l.URL, SpoolDir: dir, FailUnreachable: fail, RefusedExit: 42}, `echo ran "$FERRYMAN_EXECUTION_ID"; exit 3`)
				if name == "hangs" {
					w.impatient()
				}
				code := w.run()
				out, said := w.stdout.String(), w.stderr.String()
				tries, kept := len(l.got("/start")), len(spool{dir}.names())
				switch {
				case c.what == refuses:
					if code != 42 || out != "" || said != "" || tries != c.starts {
						t.Errorf("refused: code %d, %q, %q, %d starts", code, out, said, tries)
					}
				case fail:
					if code != ExitTemporary || out != "" || kept != c.kept {
						t.Errorf("fails: code %d, %q, %d kept", code, out, kept)
					}
				default:
					if code != 3 || out != "ran \n" || tries != c.starts || kept != c.kept {
						t.Errorf("runs: code %d, %q, %d starts, %d kept", code, out, tries, kept)
					}
				}
				rids := map[any]bool{}
				for _, s := range l.got("/start") {
					rids[s.body["rid"]] = true
				}
				if len(rids) != 1 {
					t.Errorf("%d rids for one run", len(rids))
				}
				if c.what == runs && (strings.Count(said, "\n") != 1 || !containsAny(said, c.says)) {
					t.Errorf("says %q", said)
				}
			})
		}
	}
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

func hang(_ http.ResponseWriter, r *http.Request, _ int) bool {
	<-r.Context().Done()
	return true
}

func cutOff(w http.ResponseWriter, _ *http.Request, _ int) bool {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "100")
	fmt.Fprint(w, `{"id":`)
	return true
}

func TestNothingIsLostByRetrying(t *testing.T) {
	t.Parallel()
	// The first answer to the start and to the end is lost on its way.
	var seen sync.Map
	l := newLedger(t, func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		if _, again := seen.LoadOrStore(r.URL.Path, true); !again {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	w := wrap(t, Options{URL: l.URL}, "echo done")
	if code := w.run(); code != 0 || w.stderr.String() != "" {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
	if len(l.got("/start")) != 2 || len(l.got("/api/100/end")) != 2 || len(l.ids) != 1 {
		t.Errorf("calls %v", l.got(""))
	}
}

func TestWithoutSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"no URL":           {Options{}, "FERRYMAN_URL"},
		"wrong URL":        {Options{URL: "://"}, "FERRYMAN_URL"},
		"no host":          {Options{URL: "http://"}, "FERRYMAN_URL"},
		"unknown protocol": {Options{URL: "gopher://127.0.0.1/"}, "unsupported protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.o.SpoolDir = t.TempDir()
			w := wrap(t, c.o, "cat; exit 4")
			w.Stdin = strings.NewReader("in")
			if code := w.run(); code != 4 || w.stdout.String() != "in" || !strings.Contains(w.stderr.String(), c.says) {
				t.Errorf("code %d, stdout %q, stderr %q", code, w.stdout.String(), w.stderr.String())
			}
		})
	}
	if _, err := newServer(Options{URL: "http://h"}); err == nil || !strings.Contains(err.Error(), "FERRYMAN_API_KEY") {
		t.Errorf("without a key: %v", err)
	}
	wrong := errors.New("wrong setting")
	if _, err := newServer(Options{Settings: wrong}); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}

// A server that refuses connections must not hold up the command by the time of a
// call that hangs.
func TestServerDownIsFoundQuickly(t *testing.T) {
	t.Parallel()
	w := wrap(t, Options{URL: testaddr.New(t).URL()}, "date +%s%N")
	begun := time.Now()
	if code := w.run(); code != 0 || !strings.Contains(w.stderr.String(), "refused") {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
	var ran int64
	if _, err := fmt.Sscan(w.stdout.String(), &ran); err != nil {
		t.Fatal(err)
	}
	if waited := time.Unix(0, ran).Sub(begun); waited > 10*time.Second {
		t.Errorf("the command had to wait for %v", waited)
	}
}

func TestSlugStaysOneSegment(t *testing.T) {
	t.Parallel()
	for slug, want := range map[string]string{
		"nightly": "/p/api/nightly/start", "12": "/p/api/12/start", "..": "/p/api/%2E%2E/start", "a/b?c#d%": "/p/api/a%2Fb%3Fc%23d%25/start", "\x00é": "/p/api/%00%C3%A9/start",
	} {
		s, err := newServer(Options{URL: "http://h/p", Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.address(slug, "start").String(); got != "http://h"+want {
			t.Errorf("%q: %s, want %s", slug, got, want)
		}
	}
}

func TestServerComesUpDuringTheRun(t *testing.T) {
	t.Parallel()
	address := testaddr.New(t)
	r, gate, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := wrap(t, Options{URL: address.URL(), SpoolDir: t.TempDir()}, `echo began; read _; echo "id:$FERRYMAN_EXECUTION_ID"`)
	w.Stdin = r
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	w.Stdout = out
	w.start()
	await(t, out.Name(), "began")
	l := newLedgerAt(t, address, nil)
	fmt.Fprintln(gate)
	if code := w.end(); code != 0 || !strings.Contains(w.stderr.String(), "runs unguarded") {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
	await(t, out.Name(), "id:\n")
	start, end := l.only(t, "/api/nightly/start").body, l.only(t, "/api/100/end").body
	took := timeIn(t, end, "ended_at").Sub(timeIn(t, start, "started_at")).Milliseconds()
	if off := took - int64(end["duration_ms"].(float64)); end["success"] != true || off < -1 || off > 1 {
		t.Errorf("start %v, end %v", start, end)
	}
}
