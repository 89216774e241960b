package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

// draining drains a channel whose states come one after the other, the last for ever.
func draining(ctx context.Context, d drain, states ...outbox.ChannelStats) (asked, begun int, err error) {
	d.stats = func(context.Context) (outbox.ChannelStats, error) {
		s := states[min(asked, len(states)-1)]
		asked++
		s.Name = "contacts/c"
		return s, nil
	}
	if d.send == nil {
		d.send = func(context.Context) error { begun++; return nil }
	}
	err = d.wait(ctx)
	return asked, begun, err
}

func TestDrain(t *testing.T) {
	now := time.Now()
	waiting := func(waiting, sent int64) outbox.ChannelStats {
		return outbox.ChannelStats{Waiting: waiting, Sending: 1, Totals: outbox.Totals{Sent: sent}}
	}
	paused := func(by string, at time.Time) outbox.ChannelStats {
		return outbox.ChannelStats{Waiting: 3, PausedBy: by, PausedAt: at, PauseReason: "http_410: gone"}
	}
	for name, c := range map[string]struct {
		patience time.Duration
		states   []outbox.ChannelStats
		asked    int
		code     string
	}{
		"nothing to do":         {time.Hour, []outbox.ChannelStats{{}}, 1, ""},
		"done in the end":       {time.Hour, []outbox.ChannelStats{waiting(2, 5), waiting(0, 7), {}}, 3, ""},
		"nothing is taken":      {0, []outbox.ChannelStats{waiting(2, 5)}, 1, "webhook_stalled"},
		"gone":                  {time.Hour, []outbox.ChannelStats{waiting(2, 5), paused("fault", now.Add(time.Second))}, 2, "webhook_paused"},
		"held by a person":      {time.Hour, []outbox.ChannelStats{paused("person", now.Add(-time.Hour))}, 1, "webhook_paused"},
		"a pause that is over":  {time.Hour, []outbox.ChannelStats{paused("fault", now.Add(-time.Hour)), waiting(1, 0), {}}, 3, ""},
		"paused, nothing waits": {time.Hour, []outbox.ChannelStats{{PausedBy: "person"}}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			asked, begun, err := draining(t.Context(), drain{begun: now, patience: c.patience}, c.states...)
			if asked != c.asked || begun != c.asked || (err != nil) != (c.code != "") || err != nil && fault.CodeOf(err) != c.code {
				t.Errorf("asked %d times, began to send %d times, %v", asked, begun, err)
			}
			if c.code == "webhook_paused" && !strings.Contains(err.Error(), "http_410: gone") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDrainThatIsCutOff(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (context.Context, drain){
		"called off": func(t *testing.T) (context.Context, drain) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("never mind"))
			return ctx, drain{}
		},
		"no more is sent": func(t *testing.T) (context.Context, drain) {
			failed := make(chan error, 1)
			failed <- errors.New("the store has gone")
			return t.Context(), drain{failed: failed}
		},
		"none can be sent": func(t *testing.T) (context.Context, drain) {
			return t.Context(), drain{send: func(context.Context) error { return errors.New("no lock") }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, d := start(t)
			d.patience = time.Hour
			if _, _, err := draining(ctx, d, outbox.ChannelStats{Waiting: 1}); err == nil {
				t.Error("it ended as if all was well")
			}
		})
	}
}
