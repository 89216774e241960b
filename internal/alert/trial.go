package alert

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/outbox"
)

// Trial is a delivery that tries whether alerts reach a recipient.
type Trial struct {
	Recipient Recipient
	Delivery  int64
	State     outbox.State
	Why       string // why it is not sent, or not yet; "" if it is
}

const (
	// A trial that comes much later would only puzzle.
	trialFor = 10 * time.Minute
	askEvery = 200 * time.Millisecond
)

// Try stores a trial for each of the recipients, who need not be told of events. A
// server sends them, unless they had to wait for more than ten minutes. It gives a
// fault of kind Invalid for a recipient that is none.
func (a *Alerts) Try(ctx context.Context, recipients ...Recipient) ([]Trial, error) {
	trials := make([]Trial, len(recipients))
	err := a.db.Tx(ctx, func(tx *db.Tx) error {
		items := make([]outbox.Item, len(recipients))
		expires := tx.Now().Add(trialFor)
		for i, r := range recipients {
			if err := r.complete(); err != nil {
				return err
			}
			const said = "This is a test of Ferryman's alerts: they reach you."
			payload := said
			if _, ok := webhook(r.Channel); ok {
				payload = enveloped("alert.test", tx.Now(), map[string]string{"detail": said})
			}
			items[i] = outbox.Item{Topic: outbox.Alert, Channel: r.Channel, Recipient: r.Address, Payload: payload, ExpiresAt: &expires}
		}
		ids, _, err := a.outbox.Add(ctx, tx, items, outbox.Refuse)
		for i, id := range ids {
			trials[i] = Trial{Recipient: recipients[i], Delivery: id}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("try alerts: %w", err)
	}
	for _, t := range trials {
		a.outbox.Wake(t.Recipient.Channel)
	}
	return trials, nil
}

// Await waits until each of the trials is settled, or waits for a person, or ctx
// ends, and notes how they stand.
func (a *Alerts) Await(ctx context.Context, trials []Trial) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		// What is known by the end of ctx is worth telling.
		over := ctx.Err() != nil
		done, err := a.look(context.WithoutCancel(ctx), trials)
		if err != nil {
			return fmt.Errorf("follow trials of alerts: %w", err)
		}
		if done || over {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// look notes how the trials stand, and tells whether nothing is to be waited for.
func (a *Alerts) look(ctx context.Context, trials []Trial) (done bool, err error) {
	stats, err := a.outbox.Stats(ctx)
	if err != nil {
		return false, err
	}
	channels := map[string]outbox.ChannelStats{}
	for _, s := range stats {
		channels[s.Name] = s
	}
	done = true
	for i := range trials {
		t := &trials[i]
		row, err := a.outbox.Get(ctx, t.Delivery)
		if err != nil {
			return false, err
		}
		var settled bool
		t.State = row.State
		t.Why, settled = why(row, channels[t.Recipient.Channel], a.db.Now())
		done = done && settled
	}
	return done, nil
}

// why tells why a delivery is not sent, or not yet, and whether to wait for it is
// in vain.
func why(row outbox.Row, channel outbox.ChannelStats, now time.Time) (reason string, settled bool) {
	switch {
	case row.State == outbox.Sent:
		return "", true
	case row.State == outbox.Cancelled:
		return "somebody cancelled it", true
	case row.State == outbox.Expired && row.LastError != "":
		return "it could not be sent in time: " + row.LastError, true
	case row.State == outbox.Expired:
		return "it could not be sent in time", true
	case row.State == outbox.Failed:
		return row.LastError, true
	case channel.PausedBy != "":
		reason = "the channel is paused"
		if channel.PauseReason != "" {
			reason += ": " + channel.PauseReason
		}
		return reason, true
	case !channel.Configured:
		return "the channel is not configured on the server, or no server has run since it is", true
	case row.LastError != "":
		return fmt.Sprintf("attempt %d failed: %s", row.Attempts, row.LastError), false
	case channel.HeldUntil.After(now):
		return "the channel rests until " + channel.HeldUntil.Format(time.RFC3339) + ", as its other side asked for or is in trouble", false
	case row.State == outbox.Sending:
		return "it is being sent", false
	default:
		return "nobody has sent it yet; is a server running on this store?", false
	}
}
