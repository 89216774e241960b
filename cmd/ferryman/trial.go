package main

import (
	"context"
	"slices"
	"time"

	"ferryman/internal/alert"
	"ferryman/internal/app"
	"ferryman/internal/outbox"
)

// takenUpIn is how soon a server serves its channels, and goes by a change of
// webhooks.
const takenUpIn = 3 * time.Second

// try sends a test to each of the recipients and tells what becomes of it within
// wait.
func try(ctx context.Context, a *app.Admin, wait time.Duration, recipients ...alert.Recipient) ([]alert.Trial, error) {
	if err := awaitServed(ctx, a, min(wait, takenUpIn), recipients); err != nil {
		return nil, err
	}
	trials, err := a.Alerts.Try(ctx, recipients...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return trials, a.Alerts.Await(ctx, trials)
}

// awaitServed gives a server time to take up channels that are new to it, as after
// its start, or once a webhook is added.
func awaitServed(ctx context.Context, a *app.Admin, limit time.Duration, recipients []alert.Recipient) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		all, err := a.Outbox.Stats(ctx)
		if err != nil || !slices.ContainsFunc(recipients, func(r alert.Recipient) bool { return !served(all, r.Channel) }) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return nil // the trial tells that nobody serves it
		case <-again.C:
		}
	}
}

// awaitTakenUp gives a server time to go by what was changed of a webhook: until then
// a test would still go to the old address, or be signed with the old secret.
func awaitTakenUp(ctx context.Context, a *app.Admin, changed time.Time, limit time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(limit, changed.Add(takenUpIn).Sub(a.Now()))):
		return nil
	}
}

// served tells whether a channel sends, or is known not to.
func served(all []outbox.ChannelStats, channel string) bool {
	return slices.ContainsFunc(all, func(s outbox.ChannelStats) bool {
		return s.Name == channel && (s.Configured || s.PausedBy != "")
	})
}

// cameTo is what became of a trial, in words.
func cameTo(t alert.Trial) string {
	state := t.State.String()
	if t.State == outbox.Waiting || t.State == outbox.Behind {
		state = "waiting"
	}
	if t.Why != "" {
		state += ": " + t.Why
	}
	return state
}

// allSent is how a command ends by its trials.
func allSent(trials ...alert.Trial) error {
	if slices.ContainsFunc(trials, func(t alert.Trial) bool { return t.State != outbox.Sent }) {
		return exitError(exitFailed)
	}
	return nil
}
