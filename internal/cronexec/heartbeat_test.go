package cronexec

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// beating answers a start as that of a cron with a heartbeat, and a message by
// message.
func beating(message func(http.ResponseWriter, *http.Request, int) bool) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, n int) bool {
		if strings.HasSuffix(r.URL.Path, "/start") {
			w.Header().Set("Heartbeat-Seconds", "0.9")
		}
		return strings.HasSuffix(r.URL.Path, "/message") && message(w, r, n)
	}
}

// The server hears of the command while it runs, and no more after its end. A
// beat that fails stops neither the next one nor the command.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	l := newLedger(t, beating(func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 2 { // the first after the start
			w.WriteHeader(http.StatusInternalServerError)
		}
		return n == 2
	}))
	w := wrap(t, Options{URL: l.URL}, "read _; exit 3")
	in, gate, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	w.Stdin = in
	begun := time.Now()
	w.start()
	testwait.Until(t, "four beats", func() bool { return len(l.got("/api/100/message")) >= 4 })
	if took := time.Since(begun); took < 4*minBeat {
		t.Errorf("four beats within %v", took)
	}
	fmt.Fprintln(gate)
	if code := w.end(); code != 3 || w.stderr.Len() != 0 {
		t.Errorf("code %d, says %s", code, w.stderr.String())
	}
	for _, c := range l.got("/message") {
		if c.list == nil || len(c.list) != 0 {
			t.Errorf("a beat says %v", c)
		}
	}
	if calls := l.got(""); calls[len(calls)-1].path != "/api/100/end" {
		t.Errorf("the end is not the last of %v", calls)
	}
}

// A beat that hangs does not hold up the end.
func TestHeartbeatThatHangs(t *testing.T) {
	t.Parallel()
	beats := make(chan struct{}, 100)
	l := newLedger(t, beating(func(w http.ResponseWriter, r *http.Request, n int) bool {
		beats <- struct{}{}
		return hang(w, r, n)
	}))
	w := wrap(t, Options{URL: l.URL}, "read _; exit 3")
	in, gate, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	w.Stdin = in
	w.start()
	testwait.Receive(t, beats)
	fmt.Fprintln(gate)
	if code := w.end(); code != 3 || w.stderr.Len() != 0 || len(l.got("/api/100/end")) != 1 {
		t.Errorf("code %d, says %s, calls %v", code, w.stderr.String(), l.got(""))
	}
}

func TestBeatEvery(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"": 0, "no": 0, "0": 0, "-1": 0, "NaN": 0, "60": 20 * time.Second, "4.5": 1500 * time.Millisecond, "1": time.Second / 3,
		"0.5": minBeat, "86400": 8 * time.Hour, "1e300": 8 * time.Hour, "Inf": 8 * time.Hour,
	} {
		h := heartbeat(header)
		if want == 0 && h != 0 || want != 0 && beatEvery(h) != want {
			t.Errorf("%q: heartbeat %v, a beat every %v, want %v", header, h, beatEvery(h), want)
		}
	}
}
