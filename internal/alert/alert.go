// Package alert tells people of what the ledger notices: of every event that is
// to be told it makes deliveries for those who want to know, and the outbox sends
// them.
//
// The events are taken in the transaction that stores the deliveries, so each is
// told once, to each chat, number or webhook once, whatever is killed and however
// many nodes there are. What nobody wants to know is taken as well: it is no news
// for whoever comes later. Whoever is told of a kind of trouble is told that it is
// over, too, if he wants recoveries, also when he was added in between: the
// message says what it was and for how long.
//
// One recipient's alerts go in the order of their events, so that a recovery never
// arrives before its trouble: in a chat all of them, at a webhook those of each
// cron. Messages give times in the time zone of the cron, in which its schedule
// and its people think; webhooks get UTC.
package alert

import (
	"context"
	"log/slog"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
)

// Alerts knows who is told of which events, and tells them. It is safe for
// concurrent use.
type Alerts struct {
	db     *db.DB
	ledger *ledger.Ledger
	outbox *outbox.Outbox
}

// New makes the alerts of a migrated store.
func New(d *db.DB, l *ledger.Ledger, o *outbox.Outbox) *Alerts {
	return &Alerts{db: d, ledger: l, outbox: o}
}

const (
	// lookEvery is how often there is a look for news.
	lookEvery = 300 * time.Millisecond
	// grumbleEvery is how often trouble with the store is logged while it lasts.
	grumbleEvery = time.Minute
	// takeMost is how many events are taken at once. Each may become a delivery for
	// every webhook, so that many of those make it fewer.
	takeMost = 1000
)

// Run makes deliveries of what is to be told, within a second, until ctx ends. Every
// node may run it. Trouble with the store is logged, and it goes on.
func (a *Alerts) Run(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var grumbled time.Time
	for {
		err := a.Tell(ctx)
		if err != nil && ctx.Err() == nil && (grumbled.IsZero() || time.Since(grumbled) > grumbleEvery) {
			log.Error("tell of events", "err", err)
			grumbled = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Tell makes deliveries, once, of what Run makes them of all the time. What another
// node is about to tell is left to that.
func (a *Alerts) Tell(ctx context.Context) error {
	for {
		some, err := a.ledger.HasNews(ctx)
		if err != nil || !some {
			return err
		}
		taken, err := a.tellSome(ctx)
		if err != nil || taken == 0 {
			return err
		}
	}
}

// tellSome takes some events and tells how many.
func (a *Alerts) tellSome(ctx context.Context) (taken int, err error) {
	var items []outbox.Item
	err = a.db.Tx(ctx, func(tx *db.Tx) error {
		recipients, err := recipients(ctx, tx)
		if err != nil {
			return err
		}
		lines := linesOf(recipients)
		news, err := a.ledger.TakeNews(ctx, tx, atOnce(lines))
		if err != nil {
			return err
		}
		taken, items = len(news), itemsOf(lines, news, tx.Now())
		if len(items) == 0 {
			return nil
		}
		_, _, err = a.outbox.Add(ctx, tx, items, outbox.Skip)
		return err
	})
	if err != nil {
		return 0, err
	}
	for i, item := range items { // those of a channel are not always together
		if i == 0 || item.Channel != items[i-1].Channel {
			a.outbox.Wake(item.Channel)
		}
	}
	return taken, nil
}
