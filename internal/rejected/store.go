package rejected

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
)

const (
	keepRows = 10_000
	keepFor  = 7 * 24 * time.Hour
	atOnce   = 50 // rows in one statement
)

// Entry is calls that were refused within a second or so and are alike. Times are
// UTC.
type Entry struct {
	ID int64
	Call
	Times           int64
	FirstAt, LastAt time.Time
}

func (l *Log) write(ctx context.Context, calls map[Call]*span) error {
	// In order of time, as far as ids tell it.
	order := slices.SortedFunc(maps.Keys(calls), func(a, b Call) int { return calls[a].first.Compare(calls[b].first) })
	return l.db.Tx(ctx, func(tx *db.Tx) error {
		for chunk := range slices.Chunk(order, atOnce) {
			const columns = 12
			var values strings.Builder
			args := make([]any, 0, len(chunk)*columns)
			for i, c := range chunk {
				sep := byte('(')
				if i > 0 {
					values.WriteByte(',')
				}
				for j := range columns {
					fmt.Fprintf(&values, "%c$%d", sep, i*columns+j+1)
					sep = ','
				}
				values.WriteByte(')')
				s := calls[c]
				args = append(args, sql.NullInt64{Int64: c.AppID, Valid: c.AppID != 0}, c.Method, c.Path, c.Status, c.Code, c.Detail,
					c.KeyPrefix, c.Remote, c.Agent, s.times, db.Time{Time: s.first}, db.Time{Time: s.last})
			}
			_, err := tx.Exec(ctx, `INSERT INTO rejected_calls (application_id, method, path, status, code, detail,
				key_prefix, remote, agent, times, first_at, last_at) VALUES `+values.String(), args...)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `DELETE FROM rejected_calls WHERE last_at < $1
			OR id <= (SELECT id FROM rejected_calls ORDER BY id DESC LIMIT 1 OFFSET $2)`, db.Time{Time: tx.Now().Add(-keepFor)}, keepRows)
		return err
	})
}

// List gives up to limit entries of an application, or of all callers if app is
// 0, the newest first: those before the one with id before, or from the newest
// if that is 0.
func (l *Log) List(ctx context.Context, app, before int64, limit int) ([]Entry, error) {
	rows, err := l.db.Query(ctx, `SELECT id, coalesce(application_id, 0), method, path, status, code, detail, key_prefix, remote, agent, times, first_at, last_at
		FROM rejected_calls WHERE (id < $1 OR $1 = 0) AND (application_id = $2 OR $2 = 0) AND last_at >= $3 ORDER BY id DESC LIMIT $4`,
		before, app, db.Time{Time: l.db.Now().Add(-keepFor)}, limit)
	if err != nil {
		return nil, fmt.Errorf("list refused calls: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (e Entry, err error) {
		err = r.Scan(&e.ID, &e.AppID, &e.Method, &e.Path, &e.Status, &e.Code, &e.Detail, &e.KeyPrefix, &e.Remote, &e.Agent,
			&e.Times, db.ScanTime(&e.FirstAt), db.ScanTime(&e.LastAt))
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("list refused calls: %w", err)
	}
	return all, nil
}
