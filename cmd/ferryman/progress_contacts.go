package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"ferryman/internal/app"
)

// contactsProgress shows how a cycle goes on: on a terminal in one line, elsewhere as
// a line every few seconds; silent does neither. It is safe for concurrent use.
type contactsProgress struct {
	line   *progress // nil if silent
	w      io.Writer
	silent bool

	mu     sync.Mutex
	began  time.Time
	told   time.Time            // when the last line was written, or the cycle began
	seen   app.ContactsProgress // since the process began
	before app.ContactsProgress // the same when the cycle began
	cycles int                  // that have ended

	refusals refusalLines
}

// contactsTellEvery is how often a line is written.
const contactsTellEvery = 10 * time.Second

// idlePhase is the phase in which nothing is read.
const idlePhase = "idle"

func newContactsProgress(w io.Writer, silent bool) *contactsProgress {
	now := time.Now()
	p := &contactsProgress{w: w, silent: silent, began: now, told: now}
	if !silent {
		p.line = newProgress(w)
	}
	return p
}

// above writes what stays.
func (p *contactsProgress) above(w io.Writer) io.Writer {
	if p.silent {
		return w
	}
	return p.line.above(w)
}

func (p *contactsProgress) waiting() {
	if !p.silent {
		p.line.say("waiting for another run to end")
	}
}

func (p *contactsProgress) observe(c app.ContactsProgress) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = c
	if p.silent {
		return
	}
	if line := p.refusals.next(c, now); line != "" {
		fmt.Fprintln(p.above(p.w), line)
	}
	c = p.cycle()
	text := progressLine(c, now.Sub(p.began))
	// Between cycles a line on and on would tell nothing.
	paused := c.Phase == idlePhase && (p.cycles > 0 || c.Backlog == 0)
	if paused && p.cycles > 0 {
		text = "waiting for the next cycle"
	}
	switch {
	case p.line.terminal:
		p.line.show(text)
	case !paused && now.Sub(p.told) >= contactsTellEvery:
		p.told = now
		fmt.Fprintln(p.w, text)
	}
}

// latest is what was observed last, of the cycle in hand.
func (p *contactsProgress) latest() app.ContactsProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cycle()
}

// cycle is what was seen, without what was counted before the cycle in hand.
func (p *contactsProgress) cycle() app.ContactsProgress {
	c, b := p.seen, p.before
	c.Pages -= b.Pages
	c.Listed -= b.Listed
	c.Skipped -= b.Skipped
	c.Fetched -= b.Fetched
	c.Calls -= b.Calls
	c.Retries -= b.Retries
	c.Bytes -= b.Bytes
	c.Sent -= b.Sent
	c.Dead -= b.Dead
	return c
}

// next gives what the cycle that has ended did, and begins with another one.
func (p *contactsProgress) next() app.ContactsProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	did := p.cycle()
	p.before = p.seen
	p.cycles++
	p.began = time.Now()
	p.told = p.began
	if !p.silent {
		p.line.restart()
	}
	return did
}

func (p *contactsProgress) done() {
	if !p.silent {
		p.line.done()
	}
}

// progressLine tells what there is to tell of a cycle that has taken so long.
func progressLine(c app.ContactsProgress, took time.Duration) string {
	rows, done := c.Report.Total().Read, c.Fetched+c.Skipped
	phase := c.Phase
	if phase == "" || phase == idlePhase {
		phase = "syncing"
	}
	parts := []string{fmt.Sprintf("%s: %d pages, %d contacts, %.0f rows/s", phase, c.Pages, done, rate(rows, took))}
	if c.Behind >= time.Second {
		parts = append(parts, fmt.Sprintf("%v behind", c.Behind.Round(time.Second)))
	}
	if c.Sent > 0 || c.Backlog > 0 {
		parts = append(parts, fmt.Sprintf("%d sent, %d waiting", c.Sent, c.Backlog))
	}
	if c.Retries > 0 {
		parts = append(parts, fmt.Sprintf("%d calls repeated", c.Retries))
	}
	if c.Total > 0 && done > 0 {
		left := time.Duration(float64(took) * float64(max(0, c.Total-done)) / float64(done))
		parts = append(parts, fmt.Sprintf("%d %%, about %v left", min(100, done*100/c.Total), left.Round(time.Second)))
	}
	return strings.Join(parts, ", ")
}
