package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"ferryman/internal/db"
)

const (
	// lookedMost is how many deliveries a search looks at for one page, where no index
	// answers it.
	lookedMost = 10_000
	// fewOfOne is how many deliveries of a recipient can be put in order for a page.
	fewOfOne = 2000
)

// Browse gives deliveries, the newest first, and the Before of the next page, 0
// after the last. A page may be short, or empty, and not be the last: a search
// looks at a bounded number of deliveries at a time. Of the filter's places only
// Before counts.
func (o *Outbox) Browse(ctx context.Context, f Filter) (page []Row, next int64, err error) {
	if f.Limit <= 0 {
		f.Limit = pageUsual
	}
	f.Limit = min(f.Limit, pageMost-1)
	if page, next, err = o.browse(ctx, f); err != nil {
		return nil, 0, fmt.Errorf("browse deliveries: %w", err)
	}
	return page, next, nil
}

func (o *Outbox) browse(ctx context.Context, f Filter) (page []Row, next int64, err error) {
	wanted := f
	wanted.Newest, wanted.After, wanted.Limit = true, 0, f.Limit+1
	plain, err := o.indexed(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	floor := int64(0)
	if !plain {
		if floor, err = o.floor(ctx, wanted); err != nil {
			return nil, 0, err
		}
		wanted.After = max(floor-1, 0)
	}
	if !plain && f.Recipient != "" {
		page, err = o.walk(ctx, wanted)
	} else {
		page, err = o.List(ctx, wanted)
	}
	switch {
	case err != nil:
		return nil, 0, err
	case len(page) > f.Limit:
		return page[:f.Limit], page[f.Limit-1].ID, nil
	default:
		return page, floor, nil
	}
}

// indexed tells whether an index finds a page of the filter without looking at
// much else.
func (o *Outbox) indexed(ctx context.Context, f Filter) (bool, error) {
	if f.Recipient == "" {
		return f.Channel == "" || len(f.States) == 1 && f.States[0] == Failed && len(f.Topics) == 0, nil
	}
	query, args := "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE recipient = $1", []any{f.Recipient}
	if f.Channel != "" {
		query, args = query+" AND channel = $2", append(args, f.Channel)
	}
	var n int
	err := o.db.QueryRow(ctx, fmt.Sprintf("%s LIMIT %d) AS first", query, fewOfOne), args...).Scan(&n)
	return n < fewOfOne, err
}

// floor is the id down to which a page is looked for: of those in the states and
// topics that are asked for, or of all where a recipient is.
func (o *Outbox) floor(ctx context.Context, f Filter) (id int64, err error) {
	p := page{dialect: o.db.Dialect(), down: " DESC"}
	before := f.Before
	if before == 0 {
		before = math.MaxInt64
	}
	query := "SELECT d.id FROM deliveries d WHERE d.id < " + p.arg(before) + " ORDER BY d.id DESC"
	if f.Recipient == "" && len(f.States)+len(f.Topics) > 0 {
		p.f, p.args = f, nil
		first, last := p.arg(int64(0)), p.arg(before)
		query = p.merged("", first, last, fmt.Sprint(lookedMost+1))
		query = strings.TrimSuffix(query, fmt.Sprintf(" LIMIT %d", lookedMost+1))
	}
	err = o.db.QueryRow(ctx, fmt.Sprintf("%s LIMIT 1 OFFSET %d", query, lookedMost), p.args...).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// walk looks through the ids of a page one by one. What is added to the recipient
// keeps its index out of it: this one has too many.
func (o *Outbox) walk(ctx context.Context, f Filter) ([]Row, error) {
	p := page{dialect: o.db.Dialect()}
	before := f.Before
	if before == 0 {
		before = math.MaxInt64
	}
	which := []string{"d.id > " + p.arg(f.After), "d.id < " + p.arg(before), "d.recipient || '' = " + p.arg(f.Recipient)}
	if f.Channel != "" {
		which = append(which, "d.channel || '' = "+p.arg(f.Channel))
	}
	which = append(which, oneOf("d.topic + 0", f.Topics)...)
	which = append(which, oneOf("d.state + 0", f.States)...)
	rows, err := o.db.Query(ctx, "SELECT "+rowColumns+" FROM deliveries d WHERE "+strings.Join(which, " AND ")+
		" ORDER BY d.id DESC LIMIT "+p.arg(f.Limit), p.args...)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (Row, error) { return scanRow(r) })
}

// Ahead tells what a delivery waits behind: the first that is not settled of those
// before it with its order key, and how many there are, from 1,000 on only that.
// Both are 0 if there is none.
func (o *Outbox) Ahead(ctx context.Context, r Row) (first, many int64, err error) {
	if r.OrderKey == "" {
		return 0, 0, nil
	}
	// The second condition repeats that of the partial index.
	err = o.db.QueryRow(ctx, `SELECT coalesce(min(id), 0), count(*) FROM (
			SELECT d.id FROM deliveries d WHERE d.channel = $1 AND d.order_key = $2 AND d.order_key IS NOT NULL AND d.state IN (0, 1, 2) AND d.id < $3
			LIMIT 1000) AS first`, r.Channel, r.OrderKey, r.ID).Scan(&first, &many)
	if err != nil {
		return 0, 0, fmt.Errorf("look what delivery %d waits behind: %w", r.ID, err)
	}
	return first, many, nil
}
