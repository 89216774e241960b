package main

import (
	"fmt"
	"time"

	"ferryman/internal/app"
)

// refusalsTellEvery is how often a line may tell that a web service does not take posts.
const refusalsTellEvery = 30 * time.Second

// refusalLines tell that a web service does not take posts, and when it does again.
type refusalLines struct {
	told   time.Time // when the last line was given; zero while all is well
	seen   app.ContactsProgress
	paused string
}

// next gives the line that is due, "" if none is.
func (l *refusalLines) next(c app.ContactsProgress, now time.Time) string {
	switch {
	case c.Paused != "" && c.Paused != l.paused:
		l.note(c, now)
		return fmt.Sprintf("posting is paused: %s; %d sent, %d waiting", c.Paused, c.Sent, c.Backlog)
	case c.Refused > l.seen.Refused && now.Sub(l.told) >= refusalsTellEvery:
		n := c.Refused - l.seen.Refused
		l.note(c, now)
		return fmt.Sprintf("the web service did not take %d posts, the last for %s; %d sent, %d waiting", n, c.Refusal, c.Sent, c.Backlog)
	case !l.told.IsZero() && c.Paused == "" && c.Refused == l.seen.Refused && c.Sent > l.seen.Sent && now.Sub(l.told) >= refusalsTellEvery:
		*l = refusalLines{seen: c}
		return fmt.Sprintf("the web service takes posts again; %d sent, %d waiting", c.Sent, c.Backlog)
	default:
		return ""
	}
}

func (l *refusalLines) note(c app.ContactsProgress, now time.Time) {
	l.told, l.seen, l.paused = now, c, c.Paused
}
