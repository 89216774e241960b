package shop

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// keepRunning runs a job in its rhythm until ctx ends, whether or not the last
// execution is done by then. It calls stop with ErrKey.
func (s *Shop) keepRunning(ctx context.Context, j job, stop context.CancelCauseFunc) {
	var running sync.WaitGroup
	defer running.Wait()
	pause := j.first
	for n := 0; wait(ctx, pause); n++ {
		begun := time.Now()
		r := j.does(moment{chance: s.chance(j.Slug, n), n: n})
		running.Go(func() {
			if err := s.perform(ctx, j.Slug, begun, r); errors.Is(err, ErrKey) {
				stop(ErrKey)
			}
		})
		switch {
		case r.again > 0:
			pause = r.again
		case j.byClock:
			pause = j.next(begun).Sub(begun)
		default:
			pause = j.every
		}
	}
}

// perform reports an execution while it goes on. A cron that is switched off, is gone
// or has no place for it does not start.
func (s *Shop) perform(ctx context.Context, slug string, begun time.Time, r run) error {
	may, err := s.calls.mayStart(ctx, slug)
	if err != nil || !may {
		return err
	}
	id, err := s.calls.start(ctx, slug, fmt.Sprintf("live-%d", begun.UnixMilli()), time.Time{})
	if err != nil {
		return err
	}
	for _, l := range r.says {
		if !wait(ctx, time.Until(begun.Add(l.after))) {
			return nil
		}
		// What is not heard is no reason to stop working.
		if err := s.calls.say(ctx, id, message{Text: l.text, Kind: l.kind}); errors.Is(err, ErrKey) {
			return err
		}
	}
	if !wait(ctx, time.Until(begun.Add(r.took))) {
		return nil
	}
	return s.calls.end(ctx, id, r, time.Time{})
}

// chance is that of one execution of a job.
func (s *Shop) chance(slug string, which int) *rand.Rand {
	name := fnv.New64a()
	_, _ = name.Write([]byte(slug))                                  // never fails
	return rand.New(rand.NewPCG(s.seed^name.Sum64(), uint64(which))) //nolint:gosec // it makes data up, and guards no secret
}
