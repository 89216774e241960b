package outbox

import (
	"context"
	"fmt"

	"ferryman/internal/db"
)

// Pause keeps a channel from sending until Resume, for a person's reason. The
// channel need not be known yet. Attempts that are under way are finished.
func (o *Outbox) Pause(ctx context.Context, channel, reason string) error {
	err := o.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO channels (name, paused_by, paused_at, pause_reason) VALUES ($1, 'person', $2, $3)
			ON CONFLICT (name) DO UPDATE SET paused_by = excluded.paused_by, paused_at = excluded.paused_at, pause_reason = excluded.pause_reason`,
			channel, db.Time{Time: tx.Now()}, reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("pause channel %s: %w", channel, err)
	}
	return nil
}

// Resume ends a pause, whoever made it, and any rest of the channel. If there is
// none it does nothing.
func (o *Outbox) Resume(ctx context.Context, channel string) error {
	err := o.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE channels SET paused_by = '', paused_at = NULL, pause_reason = '', held_until = NULL, troubles = 0
			WHERE name = $1`, channel)
		return err
	})
	if err != nil {
		return fmt.Errorf("resume channel %s: %w", channel, err)
	}
	o.Wake(channel)
	return nil
}
