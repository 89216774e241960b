package outbox

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// lookedAttempts is how many of the newest attempts LastErrors looks at.
const lookedAttempts = 2000

// LastError is the last attempt on a channel that did not end well.
type LastError struct {
	Delivery int64
	At       time.Time // zero if the attempt is not among the newest any more
	Text     string    // the code and what was said
}

// LastErrors gives the last error of each channel that has one among the newest
// 2,000 attempts of all, or else that of its newest dead letter.
func (o *Outbox) LastErrors(ctx context.Context) (map[string]LastError, error) {
	rows, err := o.db.Query(ctx, `SELECT d.channel, d.id, a.at, a.code, a.detail
		FROM (SELECT delivery_id, at, outcome, code, detail FROM attempts ORDER BY at DESC LIMIT $1) AS a JOIN deliveries d ON d.id = a.delivery_id
		WHERE a.outcome <> 'sent' ORDER BY a.at`, lookedAttempts)
	if err != nil {
		return nil, fmt.Errorf("look for the last errors: %w", err)
	}
	all := map[string]LastError{}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var e LastError
		var said Outcome
		err = r.Scan(&name, &e.Delivery, db.ScanTime(&e.At), &said.Code, &said.Detail)
		e.Text = said.lastError()
		all[name] = e
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the last errors: %w", err)
	}
	rows, err = o.db.Query(ctx, `WITH RECURSIVE names (name) AS (
			SELECT min(channel) FROM deliveries WHERE state = 4
			UNION ALL
			SELECT (SELECT min(channel) FROM deliveries WHERE state = 4 AND channel > name) FROM names WHERE name IS NOT NULL)
		SELECT name, d.id, d.last_error FROM names JOIN deliveries d
			ON d.id = (SELECT max(id) FROM deliveries WHERE channel = name AND state = 4) WHERE name IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("look for the last dead letters: %w", err)
	}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var e LastError
		err = r.Scan(&name, &e.Delivery, &e.Text)
		if _, newer := all[name]; !newer {
			all[name] = e
		}
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the last dead letters: %w", err)
	}
	return all, nil
}
