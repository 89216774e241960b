package cronexec

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ferryman/internal/testwait"
)

// streamed gives the lines that came, with their types.
func streamed(l *ledger) (lines []string) {
	for _, c := range l.got("/message") {
		for _, m := range c.list {
			lines = append(lines, fmt.Sprintf("%s %s", m["type"], m["message"]))
		}
	}
	return lines
}

// sent waits until nothing waits.
func sent(t *testing.T, q *streamer) {
	t.Helper()
	testwait.Until(t, "the queue is empty", func() bool { return q.waiting() == 0 })
}

func TestStream(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	long := strings.Repeat("ä", maxLine)
	w := wrap(t, Options{URL: l.URL, Stream: true}, `printf 'one\r\n\n   \ntw'; printf 'o\n\377\n'; IFS= read -r x; printf "%s\n" "$x"; read _; echo wrong >&2; printf end`)
	in, gate, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	w.Stdin = in
	w.start()
	fmt.Fprintln(gate, long)
	testwait.Until(t, "the lines while the command runs", func() bool { return len(streamed(l)) >= 4 })
	fmt.Fprintln(gate)
	if code := w.end(); code != 0 {
		t.Fatalf("code %d: %s", code, w.stderr.String())
	}
	got := streamed(l)
	want := map[string]bool{
		"info one": true, "info two": true, "info \uFFFD": true, "info " + long[:maxLine]: true, "info end": true, "warning wrong": true,
	}
	for _, line := range got {
		if !want[line] {
			t.Errorf("unexpected: %.100q, %d bytes", line, len(line))
		}
		delete(want, line)
	}
	if len(want) != 0 {
		t.Errorf("missing: %d", len(want))
	}
	for _, c := range l.got("/message") {
		if at, err := time.Parse(time.RFC3339, c.list[0]["at"].(string)); err != nil || time.Since(at) > time.Minute || c.path != "/api/100/message" {
			t.Errorf("at %v, %v", c.list[0]["at"], err)
		}
	}
	if calls := l.got(""); calls[len(calls)-1].path != "/api/100/end" {
		t.Error("the end is not the last call")
	}
}

// A server that takes no messages, or none in time, does not hold up the command.
func TestStreamToABadServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, int) bool
		says   string
	}{
		"hangs":   {hang, "were not sent"},
		"refuses": {status(422), "50000 lines of output of nightly were not sent"},
		"fails":   {status(500), "were not sent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t, on("/message", c.answer))
			w := wrap(t, Options{URL: l.URL, Stream: true}, "yes | head -n 50000; exit 3")
			if name == "hangs" {
				w.impatient()
			}
			if code := w.run(); code != 3 || w.stdout.Len() != 100_000 || !strings.Contains(w.stderr.String(), c.says) {
				t.Errorf("code %d, %d bytes, says %s", code, w.stdout.Len(), w.stderr.String())
			}
			l.only(t, "/end")
		})
	}
}

// While the server is away lines wait, and come in order when it is there again.
func TestStreamOutlastsABusyServer(t *testing.T) {
	t.Parallel()
	var busy atomic.Int32
	l := newLedger(t, on("/message", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		if busy.Add(1) > 1 {
			return false
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}))
	s, err := newServer(Options{URL: l.URL, Key: "k", callTimeout: testwait.Limit})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	q := startStreamer(t.Context(), s, 5)
	in := &lines{level: "info", to: q}
	for i := range 2500 {
		fmt.Fprintln(in, i)
	}
	sent(t, q)
	if missing := q.stop(t.Context()); missing != 0 {
		t.Errorf("%d missing", missing)
	}
	got := streamed(l)[1000:] // after the refused call's
	if len(got) != 2500 || got[0] != "info 0" || got[2499] != "info 2499" {
		t.Errorf("%d lines, first %s", len(got), got[0])
	}
}

func TestDroppedLinesAreTold(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	s, err := newServer(Options{URL: l.URL, Key: "k", callTimeout: testwait.Limit})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	q := startStreamer(t.Context(), s, 5)
	in := &lines{level: "info", to: q}
	fmt.Fprint(in, strings.Repeat("x\n", maxQueue+10)) // in one go: nothing can be sent meanwhile
	sent(t, q)
	if missing := q.stop(t.Context()); missing != 10 {
		t.Errorf("%d missing", missing)
	}
	got := streamed(l)
	if len(got) != maxQueue+1 || !strings.Contains(got[maxQueue], "warning ferryman: 10 lines of output are missing") {
		t.Errorf("%d lines, last %s", len(got), got[len(got)-1])
	}
	for _, c := range l.got("/message") {
		if len(c.list) > maxBatch {
			t.Errorf("%d messages in a call", len(c.list))
		}
	}
}

// Bodies stay below what the server takes, whatever the lines hold; the ledger
// of these tests refuses larger ones.
func TestBatchesHaveABound(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	s, err := newServer(Options{URL: l.URL, Key: "k", callTimeout: testwait.Limit})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	q := startStreamer(t.Context(), s, 5)
	in := &lines{level: "info", to: q}
	for range 7 {
		fmt.Fprintln(in, strings.Repeat("\x01", maxLine)) // six bytes each, encoded
	}
	if missing := q.stop(t.Context()); missing != 0 || len(streamed(l)) != 7 {
		t.Errorf("%d missing, %d came", missing, len(streamed(l)))
	}
}

// However output is cut into pieces, its lines are the same.
func TestLinesProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab \r\nä\n")), 0, 60, -1).Draw(t, "text")
		q := &streamer{full: make(chan struct{}, 1)}
		in := &lines{level: "info", to: q}
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if _, err := in.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		in.finish()
		var want []string
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSuffix(line, "\r"); strings.TrimSpace(line) != "" {
				want = append(want, line)
			}
		}
		bytes := 0
		for i, m := range q.queue {
			if i >= len(want) || m.Message != want[i] || !utf8.ValidString(m.Message) {
				t.Fatalf("line %d is %q of %q", i, m.Message, want)
			}
			bytes += len(m.Message)
		}
		if len(q.queue) != len(want) || q.bytes != bytes {
			t.Fatalf("%d lines, want %d; counted %d bytes of %d", len(q.queue), len(want), q.bytes, bytes)
		}
	})
}
