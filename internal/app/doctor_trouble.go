package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/doctor"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
)

const (
	troubleSpan = 24 * time.Hour // of the deliveries that failed which are told
	alertsTold  = 10             // one by one
)

// trouble is the check of what the store tells of nodes and deliveries. It needs no server.
func (p *patient) trouble() doctor.Check {
	return doctor.Check{Name: "work", Look: func(ctx context.Context) []doctor.Finding {
		var found []doctor.Finding
		ran, err := p.onStore(ctx, func(d *db.DB) error {
			silent, err := silentNodes(ctx, node.New(d, p.Log))
			held, errHeld := heldDeliveries(ctx, outbox.New(d, outbox.Options{Logger: p.Log}), d.Now())
			found = append(silent, held...)
			return errors.Join(err, errHeld)
		})
		switch {
		case err != nil:
			return append(found, doctor.Doubtful("", "it could not be looked at: %v", err))
		case !ran:
			return []doctor.Finding{doctor.Well("not looked at: there is no store yet, or it cannot be read as it is")}
		case len(found) == 0:
			return []doctor.Finding{doctor.Well("no node is silent, nothing stands still, and no delivery failed for good in the last day")}
		}
		return found
	}}
}

func silentNodes(ctx context.Context, book *node.Book) (found []doctor.Finding, err error) {
	all, err := book.List(ctx)
	for _, n := range all {
		if n.Trouble() {
			found = append(found, doctor.Doubtful("look at its process and its log, and start it again; if it is not to come back there is nothing to do",
				"the node %s has been silent since %s: it ended without saying so, or hangs", n.Name, moment(n.SeenAt)))
		}
	}
	return found, err
}

// heldDeliveries tells of channels that hold deliveries up, and of deliveries that failed.
func heldDeliveries(ctx context.Context, box *outbox.Outbox, now time.Time) (found []doctor.Finding, err error) {
	since := now.Add(-troubleSpan)
	t, err := box.Trouble(ctx, since)
	if err != nil {
		return nil, err
	}
	for _, c := range t.Stopped {
		if c.Waiting > 0 {
			found = append(found, heldBy(c))
		}
	}
	for _, dead := range t.Dead {
		left := dead.N
		if dead.Topic == outbox.Alert {
			alerts, err := box.List(ctx, outbox.Filter{Topics: []outbox.Topic{outbox.Alert}, States: []outbox.State{outbox.Failed}, Newest: true, Limit: alertsTold})
			if err != nil {
				return found, err
			}
			for _, a := range alerts {
				if !a.EndedAt.Before(since) {
					left--
					found = append(found, doctor.Doubtful(fmt.Sprintf("ferryman outbox show %d tells each attempt; ferryman outbox replay --id %d sends it again", a.ID, a.ID),
						"the alert %d could not be delivered by %s at %s: %s", a.ID, a.Channel, moment(a.EndedAt), oneLine(a.LastError)))
				}
			}
		}
		if left > 0 {
			what := map[outbox.Topic]string{outbox.Alert: "alerts beside these", outbox.Message: "messages", outbox.Contact: "posts of contact syncs"}[dead.Topic]
			found = append(found, doctor.Doubtful("ferryman outbox list --state failed tells why; ferryman outbox replay sends them again",
				"%s that failed for good in the last day: %s", what, atLeast(left, dead.N)))
		}
	}
	return found, nil
}

// heldBy tells of a channel that stands still with something in it.
func heldBy(c outbox.Stopped) doctor.Finding {
	waits := fmt.Sprintf("deliveries that wait: %s, alerts among them: %s", atLeast(c.Waiting, c.Waiting), atLeast(c.Alerts, c.Alerts))
	remedy := "ferryman outbox resume " + c.Channel
	reason := ""
	if c.PauseReason != "" {
		reason = ": " + oneLine(c.PauseReason)
	}
	switch {
	case c.ByPerson():
		return doctor.Doubtful(remedy+" once it is to go on", "%s was paused by a person%s; %s", c.Channel, reason, waits)
	case c.PausedBy != "":
		return doctor.Doubtful("mend what it says, then "+remedy, "%s was paused by a fault%s; %s", c.Channel, reason, waits)
	case !c.Configured:
		return doctor.Doubtful("set it up and restart the server; or cancel them: ferryman outbox list", "no server has %s set up; %s", c.Channel, waits)
	}
	return doctor.Doubtful("see whether its other side works; it is tried again by itself", "%s rests, for its other side is in trouble or asked for it; %s", c.Channel, waits)
}

// atLeast is a count that outbox.Trouble made of so many.
func atLeast(n, of int64) string {
	if of >= outbox.TroubleCounted {
		return fmt.Sprintf("at least %d", n)
	}
	return fmt.Sprint(n)
}

func moment(at time.Time) string { return at.UTC().Format(time.RFC3339) }
