package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"ferryman/internal/pushclient"
)

// sendProgress shows how far a file is sent: a bar on a terminal, elsewhere a line
// every few seconds.
type sendProgress struct {
	out   io.Writer
	size  int64 // of the file; -1: not known
	began time.Time
	told  time.Time // when the last line was written

	bar *progressbar.ProgressBar // nil if out is no terminal
}

// tellEvery is how often a line is written.
const tellEvery = 5 * time.Second

func newSendProgress(out io.Writer, size int64) *sendProgress {
	now := time.Now()
	p := &sendProgress{out: out, size: size, began: now, told: now}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetRenderBlankState(true), progressbar.OptionSetDescription("sending"))
	}
	return p
}

func (p *sendProgress) update(t pushclient.Tally) {
	now := time.Now()
	if p.bar != nil {
		p.bar.Describe(p.line(t, now))
		_ = p.bar.Set64(t.Bytes) // what cannot be shown is not shown
		return
	}
	if now.Sub(p.told) < tellEvery {
		return
	}
	p.told = now
	line := p.line(t, now)
	if p.size > 0 && t.Bytes > 0 {
		left := time.Duration(float64(now.Sub(p.began)) * float64(p.size-t.Bytes) / float64(t.Bytes))
		line += fmt.Sprintf(", %d %%, about %v left", t.Bytes*100/p.size, left.Round(time.Second))
	}
	fmt.Fprintln(p.out, "ferryman:", line)
}

func (p *sendProgress) line(t pushclient.Tally, now time.Time) string {
	return fmt.Sprintf("%d stored, %d there, %d refused, %.0f/s", t.Stored, t.There, t.Refused, rate(t.Total(), now.Sub(p.began)))
}

// clear makes room for other lines.
func (p *sendProgress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// rate is n per second.
func rate(n int64, took time.Duration) float64 {
	return float64(n) / max(took.Seconds(), time.Millisecond.Seconds())
}
