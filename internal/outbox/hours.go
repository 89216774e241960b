package outbox

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// keepHourly is how long it is kept what channels did hour by hour.
const keepHourly = 90 * 24 * time.Hour

// ChannelHour is what a channel did in an hour.
type ChannelHour struct {
	Channel string
	At      time.Time // when the hour began; UTC
	Totals
}

// Hours gives what was done in the hours that began at since or later, by hour and
// name of channel; of all channels if channel is "". Hours without any are left
// out. They are kept for 90 days.
func (o *Outbox) Hours(ctx context.Context, channel string, since time.Time) ([]ChannelHour, error) {
	rows, err := o.db.Query(ctx, `SELECT channel, at, CAST(sum(sent) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(retried) AS BIGINT),
			CAST(sum(uncertain) AS BIGINT), CAST(sum(expired) AS BIGINT)
		FROM channel_hours WHERE at >= $1 AND ($2 = '' OR channel = $2) GROUP BY at, channel ORDER BY at, channel`, since.UnixMicro(), channel)
	if err != nil {
		return nil, fmt.Errorf("read the hours of channels: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (h ChannelHour, err error) {
		err = r.Scan(&h.Channel, db.ScanTime(&h.At), &h.Sent, &h.Failed, &h.Retried, &h.Uncertain, &h.Expired)
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the hours of channels: %w", err)
	}
	return all, nil
}

// addSums ends an INSERT into channel_totals or channel_hours.
const addSums = ` DO UPDATE SET
	sent = t.sent + excluded.sent, failed = t.failed + excluded.failed, retried = t.retried + excluded.retried,
	uncertain = t.uncertain + excluded.uncertain, expired = t.expired + excluded.expired`

const (
	addTotals = "INSERT INTO channel_totals AS t (channel, sender_id, sent, failed, retried, uncertain, expired) "
	onTotals  = " ON CONFLICT (channel, sender_id)" + addSums
	addHour   = `INSERT INTO channel_hours AS t (channel, sender_id, sent, failed, retried, uncertain, expired, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (at, channel, sender_id)` + addSums
)

// addToTotals counts what a sender did on a channel, in all and in this hour.
func addToTotals(ctx context.Context, tx *db.Tx, channel string, sender int64, n Totals) error {
	if n == (Totals{}) {
		return nil
	}
	args := []any{channel, sender, n.Sent, n.Failed, n.Retried, n.Uncertain, n.Expired}
	hour := db.Time{Time: tx.Now().Truncate(time.Hour)}
	const inAll = addTotals + "VALUES ($1, $2, $3, $4, $5, $6, $7)" + onTotals
	if tx.ForUpdate() != "" { // PostgreSQL does both in one go
		_, err := tx.Exec(ctx, "WITH done AS ("+inAll+") "+addHour, append(args, hour)...)
		return err
	}
	if _, err := tx.Exec(ctx, inAll, args...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, addHour, append(args, hour)...)
	return err
}
