package app

import (
	"context"
	"sync"
	"time"

	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
)

const (
	watchEvery = 200 * time.Millisecond // how often progress is told
	countEvery = time.Second            // and how often posts are counted for that
)

// watcher tells how a command's campaign goes on, until it is ended.
type watcher struct {
	c      *contactsProcess
	before outbox.Totals // of the channel, when the process began
	stop   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows, and has one tell at a time
	report  pipeline.Report
	stats   outbox.ChannelStats
	counted time.Time
}

// watch begins to tell, if anybody listens.
func (c *contactsProcess) watch(ctx context.Context) (*watcher, error) {
	w := &watcher{c: c, stop: make(chan struct{})}
	if c.r.Observe == nil {
		return w, nil
	}
	if c.posts() {
		stats, err := c.posted(ctx)
		if err != nil {
			return nil, err
		}
		w.before = stats.Totals
	}
	w.wg.Go(w.loop)
	return w, nil
}

// landed takes the report of the run in hand.
func (w *watcher) landed(r pipeline.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report = r
}

func (w *watcher) loop() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.tell(countEvery)
		case <-w.stop:
			return
		}
	}
}

// end tells once more how things stand, and no more after that.
func (w *watcher) end() {
	close(w.stop)
	w.wg.Wait()
	w.tell(0)
}

// tell tells how things stand, with posts that were counted not longer ago than that.
func (w *watcher) tell(ago time.Duration) {
	if w.c.r.Observe == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.c.contact.source.Progress()
	p := ContactsProgress{
		Phase: string(s.Phase), Pages: s.Pages, Listed: s.Listed, Skipped: s.Skipped, Fetched: s.Fetched, Calls: s.Calls,
		Retries: s.Retries, Bytes: s.Bytes, Total: s.Total, Behind: s.Behind, Report: w.report, Undecided: s.Undecided,
	}
	if w.c.posts() {
		w.count(ago)
		p.Sent, p.Dead = w.stats.Totals.Sent-w.before.Sent, w.stats.Totals.Failed-w.before.Failed
		p.Backlog = w.stats.Waiting + w.stats.Sending
		p.Refused, p.Refusal = w.c.refusals.sofar()
		if pausedSince(w.stats, w.c.begun) {
			p.Paused = oneLine(w.stats.PauseReason)
		}
	}
	w.c.r.Observe(p)
}

// count counts posts. What cannot be counted stays as it was.
//
//nolint:contextcheck,nolintlint // it counts also once the run was called off
func (w *watcher) count(ago time.Duration) {
	if time.Since(w.counted) < ago {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), countEvery)
	defer cancel()
	if stats, err := w.c.posted(ctx); err == nil {
		w.stats = stats
	}
	w.counted = time.Now()
}
