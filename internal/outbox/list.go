package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// List gives deliveries in the order of their ids.
func (o *Outbox) List(ctx context.Context, f Filter) ([]Row, error) {
	if f.Limit <= 0 {
		f.Limit = pageUsual
	}
	f.Limit = min(f.Limit, pageMost)
	p := page{dialect: o.db.Dialect(), f: f}
	ids := p.ids()
	rows, err := o.db.Query(ctx, "SELECT "+rowColumns+" FROM deliveries d WHERE d.id IN ("+ids+") ORDER BY d.id", p.args...)
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
	args    []any
}

func (p *page) arg(v any) string {
	p.args = append(p.args, v)
	return fmt.Sprintf("$%d", len(p.args))
}

// ids is the query for them.
func (p *page) ids() string {
	after, limit := p.arg(p.f.After), p.arg(p.f.Limit)
	var which []string
	if p.f.Channel != "" {
		which = append(which, "d.channel = "+p.arg(p.f.Channel))
	}
	switch {
	case p.f.Recipient != "":
		// The sums keep other indexes out of it: a recipient has few.
		which = append(which, "d.recipient = "+p.arg(p.f.Recipient), "d.id + 0 > "+after)
		which = append(which, oneOf("d.topic + 0", p.f.Topics)...)
		which = append(which, oneOf("d.state + 0", p.f.States)...)
		return "SELECT d.id FROM deliveries d WHERE " + strings.Join(which, " AND ") + " ORDER BY d.id + 0 LIMIT " + limit
	case p.f.Channel != "" && len(p.f.States) == 1 && p.f.States[0] == Failed:
		which = append(which, "d.state = 4", "d.id > "+after)
		which = append(which, oneOf("d.topic", p.f.Topics)...)
		return "SELECT d.id FROM deliveries d WHERE " + strings.Join(which, " AND ") + " ORDER BY d.channel, d.id LIMIT " + limit
	}
	return p.merged(which, after, limit)
}

// merged takes the first ids of each topic and state, and of these the first ones.
func (p *page) merged(which []string, after, limit string) string {
	var parts []string
	for _, topic := range orAll(p.f.Topics, Message, Contact) {
		for _, state := range orAll(p.f.States, Waiting, Expired) {
			conditions := append([]string{}, which...)
			if p.dialect == db.Postgres {
				// By comparing rows: by equality its planner would rather look through all
				// ids for rows that it takes for frequent, and that may be none.
				conditions = append(conditions, fmt.Sprintf("d.topic = %d AND (d.state, d.id) > (%d, %s) AND d.state <= %d", topic, state, after, state))
			} else {
				conditions = append(conditions, fmt.Sprintf("d.topic = %d AND d.state = %d AND d.id > %s", topic, state, after))
			}
			parts = append(parts, "SELECT part.id FROM (SELECT d.id FROM deliveries d WHERE "+strings.Join(conditions, " AND ")+
				" ORDER BY d.state, d.id LIMIT "+limit+") AS part")
		}
	}
	return "SELECT id FROM (" + strings.Join(parts, " UNION ALL ") + ") AS parts ORDER BY id LIMIT " + limit
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
