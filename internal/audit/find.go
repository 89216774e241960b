package audit

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// lookedAt is how many entries one call of Find looks at: what is seldom would else
// be looked for in all of them.
const lookedAt = 20_000

// Find gives the newest entries before the one with the id before, or the newest of
// all if that is 0, whose action contains a text, in whatever case of ASCII; newest
// first, at most 1,000. It looks at some at a time: where next is not 0, there may be
// more before that id, also when it has found less than limit.
func (l *Log) Find(ctx context.Context, action string, before int64, limit int) (found []Entry, next int64, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	limit = bounded(limit)
	const some = "(SELECT id, at, who, app, action, target, detail, remote FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2) AS looked"
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(clip(action, wordMost))) + "%"
	found, err = l.read(ctx, "SELECT id, at, who, app, action, target, detail, remote FROM "+some+
		` WHERE lower(action) LIKE $3 ESCAPE '\' ORDER BY id DESC LIMIT $4`, before, lookedAt, pattern, limit)
	if err != nil {
		return nil, 0, err
	}
	if len(found) > 0 && len(found) == limit {
		return found, found[limit-1].ID, nil
	}
	var seen int
	var last int64
	if err := l.db.QueryRow(ctx, "SELECT count(*), coalesce(min(id), 0) FROM "+some, before, lookedAt).Scan(&seen, &last); err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	if seen == lookedAt {
		next = last
	}
	return found, next, nil
}
