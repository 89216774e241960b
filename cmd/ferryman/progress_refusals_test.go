package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ferryman/internal/app"
)

func TestRefusalsAreToldNowAndThen(t *testing.T) {
	var l refusalLines
	now := time.Unix(1000, 0)
	for i, step := range []struct {
		after time.Duration
		c     app.ContactsProgress
		want  string
	}{
		{0, app.ContactsProgress{Backlog: 9}, ""},
		{time.Second, app.ContactsProgress{Backlog: 9, Refused: 2, Refusal: "http_503"}, "the web service did not take 2 posts, the last for http_503; 0 sent, 9 waiting"},
		{time.Second, app.ContactsProgress{Backlog: 9, Refused: 3, Refusal: "http_500"}, ""},
		{time.Minute, app.ContactsProgress{Backlog: 8, Sent: 1, Refused: 5, Refusal: "http_500"}, "the web service did not take 3 posts, the last for http_500; 1 sent, 8 waiting"},
		{time.Second, app.ContactsProgress{Backlog: 7, Sent: 2, Refused: 5, Refusal: "http_500"}, ""},
		{time.Minute, app.ContactsProgress{Backlog: 7, Sent: 2, Refused: 5, Refusal: "http_500"}, "the web service takes posts again; 2 sent, 7 waiting"},
		{time.Hour, app.ContactsProgress{Backlog: 1, Sent: 8, Refused: 5, Refusal: "http_500"}, ""},
		{time.Second, app.ContactsProgress{Backlog: 1, Sent: 8, Refused: 6, Refusal: "http_410", Paused: "gone"}, "posting is paused: gone; 8 sent, 1 waiting"},
		{time.Hour, app.ContactsProgress{Backlog: 1, Sent: 8, Refused: 6, Refusal: "http_410", Paused: "gone"}, ""},
		{time.Second, app.ContactsProgress{Sent: 9, Refused: 6}, "the web service takes posts again; 9 sent, 0 waiting"},
	} {
		now = now.Add(step.after)
		if got := l.next(step.c, now); got != step.want {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
}

// Without a terminal a refusal is told at once, and not only at the end.
func TestRefusalIsToldWithoutATerminal(t *testing.T) {
	var w bytes.Buffer
	p := newContactsProgress(&w, false)
	p.observe(app.ContactsProgress{Phase: idlePhase, Refused: 1, Refusal: "http_503", Backlog: 3})
	p.done()
	if !strings.HasPrefix(w.String(), "the web service did not take 1 posts, the last for http_503; 0 sent, 3 waiting\n") {
		t.Errorf("told %q", w.String())
	}
}
