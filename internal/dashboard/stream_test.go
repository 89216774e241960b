package dashboard

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ferryman/internal/ledger"
	"ferryman/internal/testwait"
)

// A stream in which nothing happens for longer than a browser may take what is sent
// goes on. Under TLS browsers speak HTTP/2, whose deadlines end what is silent.
func TestAStreamMayBeSilent(t *testing.T) {
	t.Parallel()
	s, d := pagesOf(t)
	d.within = time.Second
	cron := s.cron("shop", "nightly")
	e := s.begin(cron)
	for proto, newer := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		server := httptest.NewUnstartedServer(d)
		server.EnableHTTP2 = newer
		server.StartTLS()
		t.Cleanup(server.Close)
		for path, change := range map[string]func(){
			"live":                            func() { s.cron("shop", fmt.Sprintf("other-%d", time.Now().UnixNano())) },
			fmt.Sprintf("runs/%d/tail", e.ID): func() { s.says(e, ledger.Info, "something") },
		} {
			t.Run(proto+" "+path, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+Root+path+"?after=0", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "localhost"
				answer, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				if answer.Proto != proto || answer.StatusCode != http.StatusOK {
					t.Fatalf("%s %s", answer.Proto, answer.Status)
				}
				told := make(chan string, 1000)
				go func() {
					defer close(told)
					lines := bufio.NewScanner(answer.Body)
					for lines.Scan() {
						if strings.HasPrefix(lines.Text(), "data: ") {
							told <- lines.Text()
						}
					}
				}()
				change()
				testwait.Receive(t, told)
				for silent := time.After(2 * d.within); silent != nil; {
					select {
					case _, open := <-told: // of what was before
						if !open {
							t.Fatal("the stream ends")
						}
					case <-silent:
						silent = nil
					}
				}
				change()
				if testwait.Receive(t, told) == "" {
					t.Error("the stream ends")
				}
			})
		}
	}
}

// timed is an answer that keeps which deadline each of its lines was written under.
type timed struct {
	*httptest.ResponseRecorder
	deadline time.Time
	lines    int
	lifted   []int // after so many lines
}

func (w *timed) SetWriteDeadline(at time.Time) error {
	if w.deadline = at; at.IsZero() {
		w.lifted = append(w.lifted, w.lines)
	}
	return nil
}

func (w *timed) Write(text []byte) (int, error) {
	if w.lines++; w.deadline.IsZero() {
		return 0, fmt.Errorf("line %d is written without a deadline", w.lines)
	}
	return w.ResponseRecorder.Write(text)
}

// A download has a deadline while it writes, and none while it asks the store.
func TestADownloadMayWaitForTheStore(t *testing.T) {
	t.Parallel()
	s, d := pagesOf(t)
	e := s.begin(s.cron("shop", "nightly"))
	for range 2 * messagesOnPage {
		s.says(e, ledger.Info, "one")
	}
	w, r := &timed{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, fmt.Sprintf("%sruns/%d/messages.txt", Root, e.ID), http.NoBody)
	r.Host = "localhost"
	d.ServeHTTP(w, r)
	if w.lines != 2*messagesOnPage || fmt.Sprint(w.lifted) != fmt.Sprint([]int{messagesOnPage, 2 * messagesOnPage}) {
		t.Errorf("%d lines; the deadline is lifted after %v", w.lines, w.lifted)
	}
	if w.deadline.IsZero() {
		t.Error("what is left may be written for ever")
	}
}
