package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// replayAtATime is how many deliveries a transaction of Replay revives: others
// come in between.
const replayAtATime = 1000

// Replay revives all dead letters that are selected, but for those that have
// expired since, and tells how many; also along with an error. One that fails
// again meanwhile is not revived again.
func (o *Outbox) Replay(ctx context.Context, s Selection) (int64, error) {
	if len(s.IDs) == 0 && s.From == 0 && s.To == 0 && s.Channel == "" && s.Code == "" && s.Since.IsZero() && !s.All {
		return 0, &fault.Error{
			Kind: fault.Invalid, Code: "nothing_selected", Detail: "it is not said which deliveries to replay",
			Hint: "select them by ids, a range of ids, channel, code or time, or select all",
		}
	}
	var revived int64
	var last letter
	ids := slices.Clone(s.IDs)
	slices.Sort(ids)
	for {
		some := ids
		if len(ids) > replayAtATime {
			some = ids[:replayAtATime]
		}
		letters, err := o.letters(ctx, s, some, last)
		if err != nil {
			return revived, fmt.Errorf("look for deliveries to replay: %w", err)
		}
		n, err := o.reviveAll(ctx, letters)
		revived += n
		if err != nil {
			return revived, fmt.Errorf("replay deliveries: %w", err)
		}
		switch {
		case len(letters) == replayAtATime:
			last = letters[len(letters)-1]
		case len(some) < len(ids):
			ids, last = ids[len(some):], letter{}
		default:
			return revived, nil
		}
	}
}

// letter is a dead letter.
type letter struct {
	id      int64
	channel string
	key     *string
}

// letters gives the next dead letters after one, in the order of the index that
// has all of them.
func (o *Outbox) letters(ctx context.Context, s Selection, ids []int64, after letter) ([]letter, error) {
	p := page{}
	which := []string{
		"state = 4", "(expires_at IS NULL OR expires_at > " + p.arg(db.Time{Time: o.db.Now()}) + ")",
		"(channel, id) > (" + p.arg(after.channel) + ", " + p.arg(after.id) + ")",
	}
	if len(ids) > 0 {
		list, err := listed(idRows(ids))
		if err != nil {
			return nil, err
		}
		which = append(which, "id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM json_each("+p.arg(list)+") AS v)")
	}
	if s.From != 0 {
		which = append(which, "id >= "+p.arg(s.From))
	}
	if s.To != 0 {
		which = append(which, "id <= "+p.arg(s.To))
	}
	if s.Channel != "" {
		which = append(which, "channel = "+p.arg(s.Channel))
	}
	if s.Code != "" {
		start := p.arg(s.Code + ":")
		which = append(which, "(last_error = "+p.arg(s.Code)+" OR substr(last_error, 1, length(CAST("+start+" AS TEXT))) = "+start+")")
	}
	if !s.Since.IsZero() {
		which = append(which, "ended_at >= "+p.arg(db.Time{Time: s.Since}))
	}
	rows, err := o.db.Query(ctx, "SELECT id, channel, order_key FROM deliveries WHERE "+strings.Join(which, " AND ")+
		" ORDER BY channel, id LIMIT "+p.arg(replayAtATime), p.args...)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (l letter, err error) {
		err = r.Scan(&l.id, &l.channel, &l.key)
		return l, err
	})
}

// reviveAll revives those of some dead letters that are still dead.
func (o *Outbox) reviveAll(ctx context.Context, letters []letter) (n int64, err error) {
	if len(letters) == 0 {
		return 0, nil
	}
	ids, keys, channels := make([]int64, len(letters)), map[orderKey]bool{}, map[string]bool{}
	var ordered []orderKey
	for i, l := range letters {
		ids[i], channels[l.channel] = l.id, true
		if l.key != nil && !keys[orderKey{l.channel, *l.key}] {
			key := orderKey{l.channel, *l.key}
			keys[key], ordered = true, append(ordered, key)
		}
	}
	list, err := listed(idRows(ids))
	if err != nil {
		return 0, err
	}
	err = o.db.Tx(ctx, func(tx *db.Tx) error {
		if err := lockOrder(ctx, tx, ordered); err != nil {
			return err
		}
		n, err = tx.Exec(ctx, "UPDATE deliveries SET "+revived+" WHERE id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM json_each($2) AS v) AND "+revivable,
			tx.Now().UnixMicro(), list)
		if err != nil {
			return err
		}
		if _, err = release(ctx, tx, ordered); err != nil {
			return err
		}
		return mark(ctx, tx, changesMark)
	})
	if err != nil {
		return 0, err
	}
	for name := range channels {
		o.Wake(name)
	}
	return n, nil
}
