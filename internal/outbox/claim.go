package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
)

const (
	// Of recipients that must rest, so many deliveries more are looked through and
	// put off in a turn. Where that is not far enough the next turn looks four times
	// as far: others must not wait long behind what is for one.
	lookPast     = 256
	lookFarthest = 4096
	tailMost     = 10_000 // recipients with something put off that are kept in mind
)

// ready are the conditions of what may be claimed: of the channel $1 at $2.
const ready = "d.channel = $1 AND d.state = 0 AND d.due_at <= $2 AND (d.expires_at IS NULL OR d.expires_at > $2)"

// claimed are the columns of a flight.
const claimed = "id, topic, recipient, payload, attempts, spared, uncertain, created_at, due_at, expires_at, order_key, traceparent"

// claim takes what is due, as much as slots, the channel's rate and those of
// recipients allow.
func (t *turn) claim(ctx context.Context, tx *db.Tx) error {
	if t.slots <= 0 || t.ch.pausedBy != "" || t.ch.heldUntil.After(t.now) {
		return nil
	}
	n := t.slots
	probe := t.ch.troubles >= tripsAt
	if probe {
		n = 1
	}
	rate, clamped := t.d.c.Rate.bucket(t.ch.next), false
	if t.d.c.Rate.N > 0 {
		clamped = rate.clamp(t.now)
		n = min(n, rate.free(t.now))
	}
	if n == 0 {
		t.more = true
	}
	for _, only := range t.turnsOf(probe) {
		if n -= len(t.claims); n <= 0 {
			break
		}
		if err := t.claimSome(ctx, tx, n, only); err != nil {
			return err
		}
	}
	slices.SortFunc(t.claims, func(a, b flight) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.ID, b.ID))
	})
	if t.d.c.Rate.N > 0 {
		rate.take(t.now, len(t.claims))
		if rate.free(t.now) == 0 {
			t.token = rate.at()
		}
		if len(t.claims) > 0 || clamped {
			t.ch.next, t.ch.changed = rate.next, true
		}
	}
	if probe && len(t.claims) > 0 {
		t.claims[0].probe = true
		t.ch.hold(t.now.Add(t.d.c.Timeout)) // other nodes send no probe meanwhile
	}
	return nil
}

// turnsOf says what goes first, as conditions: alerts before a campaign of a
// million messages, and to see whether the other side is out of trouble, what has
// not met it yet, for it may be a recipient that troubles it.
func (t *turn) turnsOf(probe bool) []string {
	var turns []string
	if t.ch.urgent {
		turns = append(turns, " AND d.topic = 1")
	}
	if probe {
		turns = append(turns, " AND d.attempts = 0")
	}
	return append(turns, "")
}

// claimSome takes n of what is due and meets a condition.
func (t *turn) claimSome(ctx context.Context, tx *db.Tx, n int, only string) error {
	if t.d.c.Recipient == nil {
		return t.claimAny(ctx, tx, n, only)
	}
	return t.claimRested(ctx, tx, n, only)
}

// claimAny takes the n that have been due for longest.
func (t *turn) claimAny(ctx context.Context, tx *db.Tx, n int, only string) error {
	rows, err := tx.Query(ctx, `
		WITH due AS MATERIALIZED (SELECT d.id AS due_id FROM deliveries d WHERE `+ready+only+` ORDER BY d.due_at, d.id LIMIT CAST($3 AS BIGINT)`+skipLocked(tx, "d")+`)
		UPDATE deliveries SET state = 1, sender_id = $4, claimed_at = $2, attempts = attempts + 1 FROM due WHERE id = due_id RETURNING `+claimed,
		t.d.name, db.Time{Time: t.now}, n, t.sender)
	if err != nil {
		return err
	}
	claims, err := db.Collect(rows, t.scan)
	t.claims, t.more = append(t.claims, claims...), len(claims) == n
	return err
}

func (t *turn) scan(r *db.Rows) (f flight, err error) {
	var order, asked *string
	err = r.Scan(&f.ID, &f.Topic, &f.Recipient, &f.Payload, &f.Attempt, &f.spared, &f.uncertain, db.ScanTime(&f.CreatedAt), db.ScanTime(&f.due), db.ScanTime(&f.expires), &order, &asked)
	if order != nil {
		f.orderKey = *order
	}
	if asked != nil {
		f.traceparent = *asked
	}
	f.sender, f.claimed = t.sender, t.now
	return f, err
}

// claimRested takes the n that have been due for longest and whose recipients need
// not rest. What must wait for its recipient is put off to its own time, so that
// it is looked at once, however much there is.
func (t *turn) claimRested(ctx context.Context, tx *db.Tx, n int, only string) error {
	most := n + t.past
	// The mark is read with them: who sees what has become due by new times sees that it has.
	rows, err := tx.Query(ctx, `SELECT d.id, d.recipient, r.next_at, coalesce((SELECT m.value FROM marks m WHERE m.name = $4), '') FROM deliveries d
		LEFT JOIN recipient_rates r ON r.channel = d.channel AND r.recipient = d.recipient
		WHERE `+ready+only+" ORDER BY d.due_at, d.id LIMIT CAST($3 AS BIGINT)"+skipLocked(tx, "d"), t.d.name, db.Time{Time: t.now}, most, timesMark)
	if err != nil {
		return err
	}
	type candidate struct {
		id        int64
		recipient string
		next      time.Time
	}
	times := t.times
	all, err := db.Collect(rows, func(r *db.Rows) (c candidate, err error) {
		err = r.Scan(&c.id, &c.recipient, db.ScanTime(&c.next), &times)
		return c, err
	})
	if err != nil {
		return err
	}
	if times != t.times {
		t.times, t.tails = times, nil
		clear(t.moved)
	}
	buckets, taken := map[string]*bucket{}, map[string]*bucket{}
	var takes [][1]int64
	var puts, rates [][]any
	for _, c := range all {
		b := buckets[c.recipient]
		if b == nil {
			fresh := t.d.c.Recipient(c.recipient).bucket(c.next)
			b, buckets[c.recipient] = &fresh, &fresh
		}
		if b.free(t.now) == 0 {
			puts = append(puts, []any{c.id, t.putOff(c.recipient, *b).UnixMicro()})
			continue
		}
		if len(takes) == n {
			break
		}
		b.take(t.now, 1)
		taken[c.recipient] = b
		takes = append(takes, [1]int64{c.id})
	}
	for recipient, b := range taken { // the others' stay as they are
		if b.interval > 0 {
			rates = append(rates, []any{recipient, b.next.UnixMicro()})
		}
	}
	t.crowd = len(all) == most && len(takes) < n
	t.more = t.crowd || len(takes) == n
	if len(takes) > 0 {
		if err := t.claimThese(ctx, tx, takes); err != nil {
			return err
		}
		if err := storeRates(ctx, tx, t.d.name, rates); err != nil {
			return err
		}
	}
	return t.postpone(ctx, tx, puts)
}

// putOff gives the time of a delivery whose recipient must rest: behind all others
// that were put off.
func (t *turn) putOff(recipient string, b bucket) time.Time {
	tail, ok := t.moved[recipient]
	if !ok {
		tail = t.tails[recipient]
	}
	slot := ceilMicro(b.at())
	if next := ceilMicro(tail.Add(b.interval)); !tail.IsZero() && next.After(slot) {
		slot = next
	}
	t.moved[recipient] = slot
	return slot
}

// claimThese takes deliveries by their ids.
func (t *turn) claimThese(ctx context.Context, tx *db.Tx, ids [][1]int64) error {
	list, err := listed(ids)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `
		UPDATE deliveries SET state = 1, sender_id = $2, claimed_at = $3, attempts = attempts + 1 FROM `+few(tx)+`
		WHERE deliveries.id = CAST(v.value->>0 AS BIGINT) AND state = 0 RETURNING `+strings.Replace(claimed, "id,", "deliveries.id,", 1), list, t.sender, db.Time{Time: t.now})
	if err != nil {
		return err
	}
	claims, err := db.Collect(rows, t.scan)
	t.claims = append(t.claims, claims...)
	return err
}

// postpone gives deliveries new times.
func (t *turn) postpone(ctx context.Context, tx *db.Tx, puts [][]any) error {
	if len(puts) == 0 {
		return nil
	}
	list, err := listed(puts)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE deliveries SET due_at = CAST(v.value->>1 AS BIGINT) FROM `+few(tx)+`
		WHERE deliveries.id = CAST(v.value->>0 AS BIGINT) AND state = 0`, list)
	return err
}

// restRecipients keeps recipients from being sent anything for a time.
func (t *turn) restRecipients(ctx context.Context, tx *db.Tx, rests map[string]time.Time) error {
	rates := make([][]any, 0, len(rests))
	for recipient, until := range rests {
		b := t.d.c.Recipient(recipient).bucket(time.Time{})
		b.rest(until)
		rates = append(rates, []any{recipient, b.next.UnixMicro()})
	}
	return storeRates(ctx, tx, t.d.name, rates)
}

// storeRates moves the rates of recipients on, in the order of their names: the
// channel's row is locked, but others may tidy up.
func storeRates(ctx context.Context, tx *db.Tx, channel string, rates [][]any) error {
	if len(rates) == 0 {
		return nil
	}
	slices.SortFunc(rates, func(a, b []any) int { return strings.Compare(fmt.Sprint(a[0]), fmt.Sprint(b[0])) })
	list, err := listed(rates)
	if err != nil {
		return err
	}
	later := "max"
	if tx.ForUpdate() != "" {
		later = "greatest"
	}
	_, err = tx.Exec(ctx, `INSERT INTO recipient_rates (channel, recipient, next_at)
		SELECT $2, v.value->>0, CAST(v.value->>1 AS BIGINT) FROM json_each($1) AS v WHERE TRUE
		ON CONFLICT (channel, recipient) DO UPDATE SET next_at = `+later+"(recipient_rates.next_at, excluded.next_at)", list, channel)
	return err
}
