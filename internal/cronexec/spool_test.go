package cronexec

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/testaddr"
	"ferryman/internal/testwait"
)

func kept(url string, n int) report {
	return report{
		URL: url, Key: fingerprint("fm_secretsecret"), Slug: "nightly", RID: fmt.Sprintf("rid-%d", n), Execution: int64(1000 + n),
		EndedAt: time.Now().Add(time.Duration(n-10_000) * time.Millisecond), End: end{Type: "success", Success: true, DurationMS: 5},
	}
}

func add(t *testing.T, s spool, p report) {
	t.Helper()
	if _, err := s.add(p); err != nil {
		t.Fatal(err)
	}
}

// The server goes away in mid-run; the next run delivers the end.
func TestEndIsSpooledAndSentByTheNextRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "spool")
	var back atomic.Bool
	l := newLedger(t, on("/end", func(http.ResponseWriter, *http.Request, int) bool {
		if !back.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}))
	w := wrap(t, Options{URL: l.URL, SpoolDir: dir}, "echo 'no key: fm_nothing'; exit 3")
	if code := w.run(); code != 3 || !strings.Contains(w.stderr.String(), "is kept in "+dir) {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
	names := spool{dir}.names()
	if len(names) != 1 {
		t.Fatalf("kept %v", names)
	}
	file := filepath.Join(dir, names[0])
	content, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(content), "fm_secret") {
		t.Errorf("holds %s, %v", content, err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, file: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	p, err := spool{dir}.read(names[0])
	if err != nil {
		t.Fatal(err)
	}
	back.Store(true)
	w = wrap(t, Options{URL: l.URL, SpoolDir: dir, Verbose: true}, "true")
	if code := w.run(); code != 0 || !strings.Contains(w.stderr.String(), "1 reports of earlier runs are sent") {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
	ends := l.got("/api/100/end")
	end := ends[len(ends)-1].body
	if len(ends) != callTries+1 || end["exit_code"] != 3.0 || end["message"] != "no key: fm_nothing\n" || len(spool{dir}.names()) != 0 {
		t.Errorf("ends %v, kept %v", ends, spool{dir}.names())
	}
	if _, early := ends[0].body["ended_at"]; early || !timeIn(t, end, "ended_at").Equal(millis(p.EndedAt)) {
		t.Errorf("it ended at %v, ends %v", p.EndedAt, ends)
	}
	l.only(t, "/api/101/end")
}

// A run whose start was not answered is reported whole, with its own times.
func TestLateReport(t *testing.T) {
	t.Parallel()
	address, dir := testaddr.New(t), t.TempDir()
	w := wrap(t, Options{URL: address.URL(), SpoolDir: dir}, "exit 3")
	before := millis(time.Now())
	if code := w.run(); code != 3 || strings.Count(w.stderr.String(), "\n") != 1 {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
	after := time.Now()
	p, err := spool{dir}.read(spool{dir}.names()[0])
	if err != nil {
		t.Fatal(err)
	}
	l := newLedgerAt(t, address, nil)
	if code := wrap(t, Options{URL: address.URL(), SpoolDir: dir, Slug: "other"}, "true").run(); code != 0 {
		t.Errorf("code %d", code)
	}
	start := l.only(t, "/api/nightly/start")
	end := l.only(t, fmt.Sprintf("/api/%d/end", l.ids[p.RID]))
	if start.body["rid"] != p.RID || end.body["exit_code"] != 3.0 || len(spool{dir}.names()) != 0 {
		t.Errorf("start %v, end %v", start, end)
	}
	began, ended := timeIn(t, start.body, "started_at"), timeIn(t, end.body, "ended_at")
	if began.Before(before) || ended.Before(began) || ended.After(after) {
		t.Errorf("between %v and %v: start %v, end %v", before, after, start, end)
	}
	if _, has := l.only(t, "/api/other/start").body["started_at"]; has {
		t.Error("the run that sends it tells its own start as late")
	}
}

// A report that an earlier version kept does not tell when its run began.
func TestReportWithoutItsBeginning(t *testing.T) {
	t.Parallel()
	s, old := spool{t.TempDir()}, kept("http://h", 1)
	old.End.DurationMS = 61_250
	add(t, s, old)
	p, err := s.read(s.names()[0])
	if err != nil || p.EndedAt.Sub(p.StartedAt) != 61_250*time.Millisecond {
		t.Errorf("from %v to %v, %v", p.StartedAt, p.EndedAt, err)
	}
}

// A run that was called off reports, if it is reported, that it took no time.
func TestLateReportOfNoRun(t *testing.T) {
	t.Parallel()
	s := spool{t.TempDir()}
	w := wrap(t, Options{URL: testaddr.New(t).URL(), SpoolDir: s.dir, FailUnreachable: true}, "true")
	if code := w.run(); code != ExitTemporary {
		t.Errorf("code %d", code)
	}
	p, err := s.read(s.names()[0])
	if err != nil || p.EndedAt.IsZero() || !p.StartedAt.Equal(p.EndedAt) {
		t.Errorf("from %v to %v, %v", p.StartedAt, p.EndedAt, err)
	}
}

// A slot that is taken by a run whose end waits here is freed first.
func TestRefusedForWantOfASpooledEnd(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	held := true
	l := newLedger(t, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.URL.Path == "/api/1001/end":
			held = false
		case strings.HasSuffix(r.URL.Path, "/start") && held:
			w.WriteHeader(http.StatusConflict)
			return true
		}
		return false
	})
	dir := t.TempDir()
	add(t, spool{dir}, kept(l.URL, 1))
	w := wrap(t, Options{URL: l.URL, SpoolDir: dir}, "echo ran")
	if code := w.run(); code != 0 || w.stdout.String() != "ran\n" || w.stderr.String() != "" {
		t.Errorf("code %d, %q, %q", code, w.stdout.String(), w.stderr.String())
	}
	if starts := l.got("/start"); len(starts) != 2 || starts[0].body["rid"] == starts[1].body["rid"] {
		t.Errorf("starts %v", starts)
	}
}

func TestFlushSortsOut(t *testing.T) {
	t.Parallel()
	l := newLedger(t, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		code := map[string]int{"/api/1002/end": 409, "/api/1003/end": 404, "/api/1004/end": 404, "/api/1005/end": 422}[r.URL.Path]
		if code == 0 {
			return false
		}
		w.WriteHeader(code)
		return true
	})
	s := spool{t.TempDir()}
	add(t, s, kept(l.URL, 1))
	add(t, s, kept(l.URL, 2)) // has another end already
	add(t, s, kept(l.URL, 3)) // is not known any more
	foreign := kept(l.URL, 4) // is another application's
	foreign.Key = fingerprint("another")
	add(t, s, foreign)
	add(t, s, kept(l.URL, 5)) // is not taken
	add(t, s, kept("http://elsewhere.example", 6))
	stale := kept("http://elsewhere.example", 7)
	stale.EndedAt = time.Now().Add(-maxSpooledAge - time.Hour)
	add(t, s, stale)
	rotated := kept(l.URL, 8)
	rotated.Key = fingerprint("former")
	add(t, s, rotated)
	unstarted := kept(l.URL, 9) // its start would be this application's
	unstarted.Key, unstarted.Execution = fingerprint("another"), 0
	add(t, s, unstarted)
	const stamp = "0000000000000000000-" // as the names of reports begin
	for name, content := range map[string]string{
		"a.json": "", "b.json": "{", "c.json": "[]", "d.json": "{}", "e.json": `{"url":1}`, "f.json": strings.Repeat(" ", maxSpooledFile+1),
		"g.json": `{"url":"` + l.URL + `","slug":"x"}`, "h.json": "\x00\xff",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, stamp+name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(s.dir, stamp+"i.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, stamp+"j.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README", "package.json", "2031-05-06.json"} { // not ours
		if err := os.WriteFile(filepath.Join(s.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leftover := filepath.Join(s.dir, spoolTemp+"1")
	if err := os.WriteFile(leftover, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(leftover, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	to, err := newServer(Options{URL: l.URL, Key: "fm_secretsecret", callTimeout: testwait.Limit})
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	f := s.flush(t.Context(), to, fingerprint("fm_secretsecret"), false)
	if f.sent != 2 || f.discarded != 14 || f.why == nil || f.others != 3 || f.stopped != nil {
		t.Errorf("%+v", f)
	}
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) != 7 { // the lock, three that are not ours, two of another application, another server's
		t.Errorf("left %v, %v", left, err)
	}
}

// What a proxy refuses for what it says stays, and holds up none behind it.
func TestAForbiddenReportHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	l := newLedger(t, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.URL.Path != "/api/1001/end" {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	s := spool{t.TempDir()}
	for n := range 3 {
		add(t, s, kept(l.URL, n+1))
	}
	to, err := newServer(Options{URL: l.URL, Key: "fm_secretsecret", callTimeout: testwait.Limit})
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	f := s.flush(t.Context(), to, fingerprint("fm_secretsecret"), false)
	if left := len(s.names()); f.sent != 2 || f.discarded != 0 || f.stopped == nil || left != 1 {
		t.Errorf("%+v, %d left", f, left)
	}
}

// Whatever a file holds, it is a report or it is none.
func FuzzSpooledFile(f *testing.F) {
	f.Add([]byte(`{"url":"http://h","key":"k","slug":"s","rid":"r","execution":3,"ended_at":"2031-05-06T07:08:09Z","end":{"type":"error","success":false,"exit_code":3,"duration_ms":5}}`))
	f.Add([]byte(`{"url":"http://h","slug":"s","rid":"r","execution":-1,"ended_at":"x","end":null}`))
	f.Add([]byte("\xff{"))
	f.Fuzz(func(t *testing.T, content []byte) {
		s := spool{t.TempDir()}
		if err := os.WriteFile(filepath.Join(s.dir, "1.json"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := s.read("1.json")
		if err != nil && !errors.Is(err, errCorrupt) || err == nil && !p.valid() {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestFlushStopsWhenTheServerGoes(t *testing.T) {
	t.Parallel()
	l := newLedger(t, func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n > 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return n > 2
	})
	s := spool{t.TempDir()}
	for n := range 5 {
		add(t, s, kept(l.URL, n))
	}
	to, err := newServer(Options{URL: l.URL, Key: "k", callTimeout: testwait.Limit})
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	if f := s.flush(t.Context(), to, fingerprint("k"), false); f.sent != 2 || f.discarded != 0 || len(s.names()) != 3 || len(l.got("")) != 3 {
		t.Errorf("%+v, %d left, %d calls", f, len(s.names()), len(l.got("")))
	}
}

func TestSpoolHasABound(t *testing.T) {
	t.Parallel()
	s := spool{t.TempDir()}
	for n := range maxSpooled {
		if err := os.WriteFile(filepath.Join(s.dir, fmt.Sprintf("%019d-x.json", n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dropped, err := s.add(kept("http://h", 1))
	names := s.names()
	if err != nil || dropped != 1 || len(names) != maxSpooled || names[0] != "0000000000000000001-x.json" {
		t.Errorf("dropped %d, %v, %d left from %s", dropped, err, len(names), names[0])
	}
}

func TestSpoolThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"none": "", "no folder": "/dev/null/spool"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wrap(t, Options{URL: testaddr.New(t).URL(), SpoolDir: dir}, "exit 3")
			if code := w.run(); code != 3 || !strings.Contains(w.stderr.String(), "the end of nightly is lost") {
				t.Errorf("code %d, says %s", code, w.stderr.String())
			}
		})
	}
}

// Many runs at once send each report once.
func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	const runs, reports = 8, 10 // which one of them sends within the time that it takes for that
	l := newLedger(t, nil)
	dir := t.TempDir()
	for n := range reports {
		add(t, spool{dir}, kept(l.URL, n))
	}
	var all []*wrapped
	for range runs {
		w := wrap(t, Options{URL: l.URL, SpoolDir: dir}, "exit 1")
		w.start()
		all = append(all, w)
	}
	for _, w := range all {
		if code := w.end(); code != 1 || w.stderr.String() != "" {
			t.Errorf("code %d, says %s", code, w.stderr.String())
		}
	}
	for n := range reports {
		l.only(t, fmt.Sprintf("/api/%d/end", 1000+n))
	}
	if len(l.got("/start")) != runs || len(l.got("/end")) != runs+reports || len(spool{dir}.names()) != 0 {
		t.Errorf("%d starts, %d ends, %d left", len(l.got("/start")), len(l.got("/end")), len(spool{dir}.names()))
	}
}

// Earlier reports do not make the command wait, nor for long its end.
func TestFlushDoesNotDelayTheCommand(t *testing.T) {
	t.Parallel()
	flushing := make(chan struct{}, 1)
	l := newLedger(t, on("/api/1001/end", func(w http.ResponseWriter, r *http.Request, n int) bool {
		flushing <- struct{}{}
		return hang(w, r, n)
	}))
	dir := t.TempDir()
	add(t, spool{dir}, kept(l.URL, 1))
	w := wrap(t, Options{URL: l.URL, SpoolDir: dir}, "exit 3")
	w.start()
	testwait.Receive(t, flushing)
	if code := w.end(); code != 3 || len(l.got("/api/100/end")) != 1 || len(spool{dir}.names()) != 1 {
		t.Errorf("code %d, calls %v", code, l.got(""))
	}
}
