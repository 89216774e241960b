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
	// fewEnough is how many that an index finds can be looked through for a page.
	fewEnough = 2000
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
	if f.Before == 0 {
		f.Before = math.MaxInt64
	}
	f.After = 0
	if page, next, err = o.browse(ctx, f); err != nil {
		return nil, 0, fmt.Errorf("browse deliveries: %w", err)
	}
	return page, next, nil
}

func (o *Outbox) browse(ctx context.Context, f Filter) (page []Row, next int64, err error) {
	wanted := f
	wanted.Limit++
	indexed, err := o.indexed(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	if indexed {
		page, err = o.List(ctx, wanted)
	} else {
		page, next, err = o.walk(ctx, wanted)
	}
	if err == nil && len(page) > f.Limit {
		page, next = page[:f.Limit], page[f.Limit-1].ID
	}
	return page, next, err
}

// indexed tells whether an index finds a page of the filter without much else
// being looked at.
func (o *Outbox) indexed(ctx context.Context, f Filter) (bool, error) {
	p := page{dialect: o.db.Dialect(), f: Filter{Topics: f.Topics, States: f.States}, down: " DESC"}
	var some string
	switch {
	case f.Recipient != "":
		some = "SELECT 1 FROM deliveries WHERE recipient = " + p.arg(f.Recipient)
		if f.Channel != "" {
			some += " AND channel = " + p.arg(f.Channel)
		}
		some += " LIMIT " + p.arg(fewEnough)
	case f.Channel == "", len(f.States) == 1 && f.States[0] == Failed && len(f.Topics) == 0:
		return true, nil
	case len(f.States)+len(f.Topics) == 0:
		return false, nil
	default:
		first, last := p.arg(int64(0)), p.arg(int64(math.MaxInt64))
		some = p.merged("", first, last, p.arg(fewEnough))
	}
	var n int
	err := o.db.QueryRow(ctx, "SELECT count(*) FROM ("+some+") AS first", p.args...).Scan(&n)
	return n < fewEnough, err
}

// walk looks through deliveries one by one, and gives where the next page begins, 0
// if it came to the end. What is added to the columns keeps their indexes out of
// it: they would find too many.
func (o *Outbox) walk(ctx context.Context, f Filter) (rows []Row, next int64, err error) {
	err = o.db.QueryRow(ctx, fmt.Sprintf("SELECT id FROM deliveries WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET %d", lookedMost), f.Before).Scan(&next)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, 0, err
	}
	p := page{dialect: o.db.Dialect()}
	which := []string{"d.id >= " + p.arg(next), "d.id < " + p.arg(f.Before)}
	if f.Channel != "" {
		which = append(which, "d.channel || '' = "+p.arg(f.Channel))
	}
	if f.Recipient != "" {
		which = append(which, "d.recipient || '' = "+p.arg(f.Recipient))
	}
	which = append(which, oneOf("d.topic + 0", f.Topics)...)
	which = append(which, oneOf("d.state + 0", f.States)...)
	found, err := o.db.Query(ctx, "SELECT "+rowColumns+" FROM deliveries d WHERE "+strings.Join(which, " AND ")+
		fmt.Sprintf(" ORDER BY d.id DESC LIMIT %d", f.Limit), p.args...)
	if err != nil {
		return nil, 0, err
	}
	rows, err = db.Collect(found, func(r *db.Rows) (Row, error) { return scanRow(r) })
	return rows, next, err
}

// Ahead tells what a delivery waits behind: the first that is not settled of those
// before it with its order key, and how many there are, from 1,000 on only that.
// Both are 0 if there is none.
func (o *Outbox) Ahead(ctx context.Context, r Row) (first, many int64, err error) {
	if r.OrderKey == "" {
		return 0, 0, nil
	}
	// By state the index has them in order, however many wait; the conditions on it
	// are repeated.
	const one = `SELECT id FROM (SELECT d.id FROM deliveries d WHERE d.channel = $1 AND d.order_key = $2 AND d.order_key IS NOT NULL
			AND d.state IN (0, 1, 2) AND d.state = %d AND d.id < $3 ORDER BY d.id LIMIT 1000) AS of%[1]d`
	err = o.db.QueryRow(ctx, "SELECT coalesce(min(id), 0), count(*) FROM ("+
		fmt.Sprintf(one, Waiting)+" UNION ALL "+fmt.Sprintf(one, Sending)+" UNION ALL "+fmt.Sprintf(one, Behind)+") AS first",
		r.Channel, r.OrderKey, r.ID).Scan(&first, &many)
	if err != nil {
		return 0, 0, fmt.Errorf("look what delivery %d waits behind: %w", r.ID, err)
	}
	return first, min(many, 1000), nil
}
