package ledger

import (
	"context"
	"fmt"
	"slices"

	"ferryman/internal/db"
)

// MessageFilter chooses messages of an execution. Zero values choose all.
type MessageFilter struct {
	Types  []MessageType // any of these
	Search string        // what the text contains, in whatever case of ASCII
	After  int64         // only larger ids, and then the first of them
	First  bool          // the first ones even if After is 0
	Before int64         // only smaller ids, and without After the last of them
	Limit  int
}

// MessagePage gives messages of an execution that are kept, in the order in which
// they came: the first after After, or the last before Before, or the last.
func (l *Ledger) MessagePage(ctx context.Context, execution int64, f MessageFilter) ([]Message, error) {
	var w where
	w.is("execution_id = %s", execution)
	if len(f.Types) > 0 {
		in(&w, "type", f.Types)
	}
	if f.Search != "" {
		w.is(`lower(message) LIKE %s ESCAPE '\'`, containing(f.Search))
	}
	order := "seq DESC"
	forward := f.First || f.After != 0
	if forward {
		order = "seq"
		w.is("id > %s", f.After)
	}
	if f.Before != 0 {
		w.is("id < %s", f.Before)
	}
	rows, err := l.db.Query(ctx, "SELECT "+messageColumns+" FROM messages"+w.String()+" ORDER BY "+order+" LIMIT "+w.arg(f.Limit), w.args...)
	if err != nil {
		return nil, fmt.Errorf("messages of execution %d: %w", execution, err)
	}
	all, err := db.Collect(rows, scanMessage)
	if err != nil {
		return nil, fmt.Errorf("messages of execution %d: %w", execution, err)
	}
	if !forward {
		slices.Reverse(all)
	}
	return all, nil
}

// MessageCounts counts the messages of an execution that are kept by their level.
func (l *Ledger) MessageCounts(ctx context.Context, execution int64) (map[MessageType]int64, error) {
	rows, err := l.db.Query(ctx, "SELECT type, count(*) FROM messages WHERE execution_id = $1 GROUP BY type", execution)
	if err != nil {
		return nil, fmt.Errorf("count messages of execution %d: %w", execution, err)
	}
	counts := map[MessageType]int64{}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var t MessageType
		var n int64
		err = r.Scan(&t, &n)
		counts[t] = n
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("count messages of execution %d: %w", execution, err)
	}
	return counts, nil
}
