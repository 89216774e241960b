package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"ferryman/internal/db"
)

const (
	pageUsual    = 100
	pageMost     = 1000
	attemptsMost = 1000 // that Attempts gives
)

// rowColumns are the columns that scanRow reads.
const rowColumns = `d.id, d.state, d.topic, d.channel, d.recipient, d.payload, coalesce(d.order_key, ''), d.start_at, d.due_at,
	d.expires_at, d.created_at, d.attempts, d.uncertain, d.ended_at, d.last_error, d.reference`

func scanRow(row interface{ Scan(dest ...any) error }) (r Row, err error) {
	var start, expires *int64
	err = row.Scan(&r.ID, &r.State, &r.Topic, &r.Channel, &r.Recipient, &r.Payload, &r.OrderKey, &start, db.ScanTime(&r.DueAt),
		&expires, db.ScanTime(&r.CreatedAt), &r.Attempts, &r.Uncertain, db.ScanTime(&r.EndedAt), &r.LastError, &r.Reference)
	r.StartAt, r.ExpiresAt = fromMicros(start), fromMicros(expires)
	return r, err
}

func fromMicros(us *int64) *time.Time {
	if us == nil {
		return nil
	}
	t := time.UnixMicro(*us).UTC()
	return &t
}

// Get gives a delivery, or ErrNotFound.
func (o *Outbox) Get(ctx context.Context, id int64) (Row, error) {
	r, err := scanRow(o.db.QueryRow(ctx, "SELECT "+rowColumns+" FROM deliveries d WHERE d.id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Row{}, ErrNotFound
	}
	if err != nil {
		return Row{}, fmt.Errorf("read delivery %d: %w", id, err)
	}
	return r, nil
}

// List gives deliveries in the order of their ids: from the oldest on, or from the
// newest back if the filter says Newest or Before.
func (o *Outbox) List(ctx context.Context, f Filter) ([]Row, error) {
	if f.Limit <= 0 {
		f.Limit = pageUsual
	}
	f.Limit = min(f.Limit, pageMost)
	p := page{dialect: o.db.Dialect(), f: f}
	if f.Newest || f.Before != 0 {
		p.down = " DESC"
	}
	ids := p.ids()
	rows, err := o.db.Query(ctx, "SELECT "+rowColumns+" FROM deliveries d WHERE d.id IN ("+ids+") ORDER BY d.id"+p.down, p.args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Row, error) { return scanRow(r) })
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return all, nil
}

// page finds the ids of one page by the index that fits the filter.
type page struct {
	dialect db.Dialect
	f       Filter
	down    string // DESC if the newest come first
	args    []any
}

func (p *page) arg(v any) string {
	p.args = append(p.args, v)
	return fmt.Sprintf("$%d", len(p.args))
}

// ids is the query for them.
func (p *page) ids() string {
	before := p.f.Before
	if before == 0 {
		before = math.MaxInt64
	}
	first, last, limit := p.arg(p.f.After), p.arg(before), p.arg(p.f.Limit)
	channel := ""
	if p.f.Channel != "" {
		channel = "d.channel = " + p.arg(p.f.Channel) + " AND "
	}
	switch {
	case p.f.Recipient != "":
		// The sums keep other indexes out of it: a recipient has few.
		which := append([]string{
			channel + "d.recipient = " + p.arg(p.f.Recipient), "d.id + 0 > " + first, "d.id + 0 < " + last,
		}, oneOf("d.topic + 0", p.f.Topics)...)
		which = append(which, oneOf("d.state + 0", p.f.States)...)
		return p.part(which, "d.id + 0", limit)
	case channel != "" && len(p.f.States) == 1 && p.f.States[0] == Failed:
		which := append([]string{channel + "d.state = 4", "d.id > " + first, "d.id < " + last}, oneOf("d.topic", p.f.Topics)...)
		return p.part(which, "d.channel, d.id", limit)
	}
	return p.merged(channel, first, last, limit)
}

// part takes the first ids in an order.
func (p *page) part(which []string, order, limit string) string {
	order = strings.ReplaceAll(order, ",", p.down+",") + p.down
	return "SELECT d.id FROM deliveries d WHERE " + strings.Join(which, " AND ") + " ORDER BY " + order + " LIMIT " + limit
}

// merged takes the first ids of each topic and state, and of these the first ones.
// Of a channel it looks through those of all until it has enough: an index for
// that would cost each delivery more than it saves anybody.
func (p *page) merged(channel, first, last, limit string) string {
	var parts []string
	for _, topic := range orAll(p.f.Topics, Message, Contact) {
		for _, state := range orAll(p.f.States, Waiting, Expired) {
			which := fmt.Sprintf("%sd.topic = %d", channel, topic)
			if p.dialect == db.Postgres {
				// By comparing rows: by equality its planner would rather look through all
				// ids for rows that it takes for frequent, and that may be none.
				which += fmt.Sprintf(" AND (d.state, d.id) > (%d, %s) AND (d.state, d.id) < (%d, %s)", state, first, state, last)
			} else {
				which += fmt.Sprintf(" AND d.state = %d AND d.id > %s AND d.id < %s", state, first, last)
			}
			parts = append(parts, "SELECT part.id FROM ("+p.part([]string{which}, "d.state, d.id", limit)+") AS part")
		}
	}
	return "SELECT id FROM (" + strings.Join(parts, " UNION ALL ") + ") AS parts ORDER BY id" + p.down + " LIMIT " + limit
}

// orAll gives the chosen values, or all from first to last if none is chosen.
func orAll[T Topic | State](chosen []T, first, last T) []T {
	if len(chosen) > 0 {
		return chosen
	}
	var all []T
	for v := first; v <= last; v++ {
		all = append(all, v)
	}
	return all
}

// oneOf is the condition that a column has one of the values, none if there are none.
func oneOf[T Topic | State](column string, values []T) []string {
	if len(values) == 0 {
		return nil
	}
	numbers := make([]string, len(values))
	for i, v := range values {
		numbers[i] = fmt.Sprintf("%d", v)
	}
	return []string{column + " IN (" + strings.Join(numbers, ", ") + ")"}
}

// Attempts gives the newest 1,000 attempts of a delivery that are still kept, in
// order.
func (o *Outbox) Attempts(ctx context.Context, id int64) ([]Attempt, error) {
	rows, err := o.db.Query(ctx, `SELECT n, at, took, outcome, status, code, detail FROM (
			SELECT n, at, took, outcome, status, code, detail FROM attempts WHERE delivery_id = $1 ORDER BY n DESC LIMIT $2) AS newest ORDER BY n`, id, attemptsMost)
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (a Attempt, err error) {
		var took db.Duration
		err = r.Scan(&a.N, db.ScanTime(&a.At), &took, &a.Verdict, &a.Status, &a.Code, &a.Detail)
		a.Took = time.Duration(took)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	return all, nil
}
