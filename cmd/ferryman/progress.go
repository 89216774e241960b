package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows what is going on: on a terminal as one line that counts the
// seconds, elsewhere as a line each.
type progress struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	text  string
	begun time.Time
	stop  chan struct{}
	ended sync.WaitGroup
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, terminal: isTerminal(w), text: "syncing", begun: time.Now(), stop: make(chan struct{})}
	if p.terminal {
		p.ended.Go(p.draw)
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// say tells what a person waits for; show only how it goes on.
func (p *progress) say(text string) {
	p.show(text)
	if !p.terminal {
		fmt.Fprintln(p.w, text)
	}
}

func (p *progress) show(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// restart counts the seconds from now on.
func (p *progress) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = time.Now()
}

// clearLine takes away what the terminal shows on the line of the cursor.
const clearLine = "\r\x1b[K"

// above writes what stays, and is no part of the line that changes.
func (p *progress) above(w io.Writer) io.Writer {
	if !p.terminal {
		return w
	}
	return writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		fmt.Fprint(p.w, clearLine)
		return w.Write(b)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (p *progress) draw() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			fmt.Fprint(p.w, clearLine)
			return
		case <-tick.C:
			p.mu.Lock()
			fmt.Fprint(p.w, clearLine+p.cut(fmt.Sprintf("%s … %.1f s", p.text, time.Since(p.begun).Seconds())))
			p.mu.Unlock()
		}
	}
}

// cut keeps a text on one line of the terminal: what is left of a second one could not
// be cleared.
func (p *progress) cut(text string) string {
	f, ok := p.w.(*os.File)
	if !ok {
		return text
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if runes := []rune(text); err == nil && width > 1 && len(runes) >= width {
		return string(runes[:width-2]) + "…"
	}
	return text
}

func (p *progress) done() {
	close(p.stop)
	p.ended.Wait()
}
