package cronexec

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// outputGrace is how long output is waited for after the command has ended:
// processes that it left behind may hold its end of the pipe open for ever.
const outputGrace = 2 * time.Second

// output takes what the command prints, passes it on, and keeps the last of it.
type output struct {
	stdout, stderr *os.File // the command's
	pipes          []pipe
	tail           tail
	lines          *streamer // nil without --stream

	copying sync.WaitGroup
	mu      sync.Mutex
	lost    error // why something could not be passed on
}

// pipe is one way from the command to where its output belongs.
type pipe struct {
	from, theirs, to *os.File
	taps             []io.Writer // get a copy; never fail
	last             func()      // after all of it
}

// newOutput makes the pipes. Two outputs that lead to the same place share one,
// so that what was printed in turn stays so.
func (r *run) newOutput(ctx context.Context) *output {
	o := &output{stdout: r.Stdout, stderr: r.Stderr}
	if r.Stream && r.report.Execution != 0 {
		o.lines = startStreamer(ctx, r.server, r.report.Execution)
	}
	if o.lines == nil && sameFile(r.Stdout, r.Stderr) {
		o.stdout = o.connect(r.Stdout, "")
		o.stderr = o.stdout
		return o
	}
	o.stdout = o.connect(r.Stdout, "info")
	o.stderr = o.connect(r.Stderr, "warning")
	return o
}

// connect gives the command's end of a new pipe to a file, or the file itself if
// there are no more pipes to be had.
func (o *output) connect(to *os.File, level string) *os.File {
	from, theirs, err := os.Pipe()
	if err != nil {
		return to
	}
	p := pipe{from: from, theirs: theirs, to: to, taps: []io.Writer{&o.tail}}
	if o.lines != nil {
		l := &lines{level: level, to: o.lines}
		p.taps, p.last = append(p.taps, l), l.finish
	}
	o.pipes = append(o.pipes, p)
	return theirs
}

func sameFile(a, b *os.File) bool {
	one, err := a.Stat()
	other, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(one, other)
}

// begin copies, now that the command has its ends of the pipes.
func (o *output) begin() {
	for _, p := range o.pipes {
		_ = p.theirs.Close()
		o.copying.Go(func() { o.pass(p) })
	}
}

// pass copies until the pipe's end. A reader that has left is the command's
// business: closing the pipe lets it know. Any other trouble with writing is not.
func (o *output) pass(p pipe) {
	defer func() { _ = p.from.Close() }()
	if p.last != nil {
		defer p.last()
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := p.from.Read(buf)
		if n > 0 {
			failed := write(p.to, buf[:n])
			for _, tap := range p.taps {
				_, _ = tap.Write(buf[:n])
			}
			if errors.Is(failed, syscall.EPIPE) {
				return
			}
			if failed != nil {
				o.mu.Lock()
				o.lost = failed
				o.mu.Unlock()
			}
		}
		if err != nil {
			return
		}
	}
}

// write passes all of p on. Another process that has the file may have made it
// non-blocking, which is a matter of the file and not of the process.
func write(to *os.File, p []byte) error {
	for {
		n, err := to.Write(p)
		if !errors.Is(err, syscall.EAGAIN) {
			return err
		}
		p = p[n:]
		awaitRoom(to, forEver)
	}
}

// forEver is how long awaitRoom waits without a bound.
const forEver = -time.Millisecond

// finish waits for the rest of the output, and for the server to take it, until
// ctx ends. It gives how many lines were not sent, and why something could not be
// passed on.
func (o *output) finish(ctx context.Context, ended time.Time) (dropped int, lost error) {
	for _, p := range o.pipes {
		_ = p.theirs.Close() // is open yet if the command did not start
		_ = p.from.SetReadDeadline(ended.Add(outputGrace))
	}
	passed := make(chan struct{})
	go func() {
		o.copying.Wait()
		close(passed)
	}()
	select {
	case <-passed:
	case <-ctx.Done(): // whoever is to read it does not
	}
	for _, p := range o.pipes {
		_ = p.from.Close()
	}
	if o.lines != nil {
		dropped = o.lines.stop(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return dropped, o.lost
}
