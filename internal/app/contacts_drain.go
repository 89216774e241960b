package app

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

// drainPatience is how long a run that is to end waits for a web service that takes
// nothing.
const drainPatience = 10 * time.Minute

// drain waits until nothing is left to be posted. It ends with a fault where that
// cannot be waited for: what is left stays in the store.
type drain struct {
	stats    func(context.Context) (outbox.ChannelStats, error) // of the channel
	send     func(context.Context) error                        // begins to send, if nobody does
	failed   <-chan error                                       // of the outbox, once it sends no more
	begun    time.Time                                          // by the store's clock, when this process began
	patience time.Duration
}

func (d drain) wait(ctx context.Context) error {
	moved, settled := time.Now(), int64(-1)
	for {
		if err := d.send(ctx); err != nil {
			return err
		}
		asked := time.Now()
		s, err := d.stats(ctx)
		if err != nil || s.Waiting+s.Sending == 0 {
			return err
		}
		if err := d.paused(s); err != nil {
			return err
		}
		if n := s.Totals.Sent + s.Totals.Failed + s.Totals.Expired; n != settled {
			moved, settled = asked, n
		}
		if time.Since(moved) >= d.patience {
			return &fault.Error{
				Kind: fault.Unavailable, Code: "webhook_stalled",
				Detail: fmt.Sprintf("%d posts wait, and the web service has taken none for %v", s.Waiting+s.Sending, d.patience),
				Hint:   "they are kept: the next run, or a server with this campaign, goes on with them",
			}
		}
		select {
		case <-time.After(max(watchEvery, 10*time.Since(asked))): // to count many takes its time
		case err := <-d.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pausedSince tells whether a channel sends nothing until a person acts. A pause by a
// fault that is older than the process is about to be lifted.
func pausedSince(s outbox.ChannelStats, begun time.Time) bool {
	return s.PausedBy != "" && (s.PausedBy != "fault" || !s.PausedAt.Before(begun))
}

// paused is the fault of a channel that is.
func (d drain) paused(s outbox.ChannelStats) error {
	if !pausedSince(s, d.begun) {
		return nil
	}
	return &fault.Error{
		Kind: fault.Unavailable, Code: "webhook_paused",
		Detail: fmt.Sprintf("%d posts wait, and the channel %s is paused: %s", s.Waiting+s.Sending, s.Name, s.PauseReason),
		Hint:   "they are kept; ferryman outbox resume " + s.Name + " has the next run send them",
	}
}
