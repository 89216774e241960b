package sqlsink

import (
	"context"
	"database/sql"
	"fmt"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// place is the pipeline's cursor as this sink knows it.
type place struct {
	known  bool
	cursor pipeline.Cursor
	// doubtful is set where the answer to a commit was lost: the cursor may have
	// moved there.
	doubtful pipeline.Cursor
}

func stateTable() *pipeline.Table {
	return &pipeline.Table{
		Name: "ferryman_state",
		Columns: []pipeline.Column{
			{Name: "pipeline", Type: pipeline.Text, Required: true},
			{Name: "cursor", Type: pipeline.Text, Required: true},
			{Name: "batches", Type: pipeline.Integer, Required: true},
			{Name: "updated_at", Type: pipeline.Time, Required: true},
		},
		Key: []string{"pipeline"},
	}
}

// Pipelines are the names of all pipelines that have landed something in the target's
// database, in order. It may be called at any time.
func (s *Sink) Pipelines(ctx context.Context) ([]string, error) {
	const page = 1000
	var all []string
	for after := any(nil); ; {
		keys, err := s.Keys(ctx, stateTable(), after, page)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if name, ok := key.(string); ok {
				all = append(all, name)
			}
		}
		if len(keys) < page {
			return all, nil
		}
		after = keys[len(keys)-1]
	}
}

// readPlace learns the cursor anew.
func (s *Sink) readPlace(ctx context.Context, conn *sql.Conn) error {
	d := s.dialect
	query := fmt.Sprintf(`SELECT %s FROM %s WHERE %s = %s`,
		d.quote("cursor"), d.quote("ferryman_state"), d.quote("pipeline"), d.placeholder(1))
	rows, err := conn.QueryContext(ctx, query, s.pipeline)
	if err != nil {
		return s.explain(ctx, "read", "ferryman_state", err)
	}
	defer rows.Close()
	var cursor string
	for rows.Next() {
		if err := rows.Scan(&cursor); err != nil {
			return s.explain(ctx, "read", "ferryman_state", err)
		}
	}
	if err := rows.Err(); err != nil {
		return s.explain(ctx, "read", "ferryman_state", err)
	}
	s.place = place{known: true, cursor: pipeline.Cursor(cursor)}
	return nil
}

// move advances the cursor if nobody else has. It runs first in a transaction:
// a second writer waits for the row's lock, then finds that it is too late. The
// count of batches makes every move a change, which MySQL would else not report.
func (s *Sink) move(ctx context.Context, tx *transaction, next pipeline.Cursor) error {
	d := s.dialect
	at := tx.now.Format(d.traits().timeLayout)
	update := fmt.Sprintf(`UPDATE %s SET %s = %s, %s = %s + 1, %s = %s WHERE %s = %s AND %s IN (%s, %s)`,
		d.quote("ferryman_state"), d.quote("cursor"), d.placeholder(1), d.quote("batches"), d.quote("batches"),
		d.quote("updated_at"), d.placeholder(2), d.quote("pipeline"), d.placeholder(3),
		d.quote("cursor"), d.placeholder(4), d.placeholder(5))
	doubtful := s.place.doubtful
	if doubtful == "" {
		doubtful = s.place.cursor
	}
	if doubtful != "" {
		n, err := tx.exec(ctx, update, string(next), at, s.pipeline, string(s.place.cursor), string(doubtful))
		if err != nil {
			return s.explain(ctx, "write to", "ferryman_state", err)
		}
		if n > 0 {
			return nil
		}
	}
	if s.place.cursor != "" {
		return s.overtaken()
	}
	insert := fmt.Sprintf(`INSERT INTO %s (%s, %s, %s, %s) VALUES (%s, %s, 1, %s)`,
		d.quote("ferryman_state"), d.quote("pipeline"), d.quote("cursor"), d.quote("batches"), d.quote("updated_at"),
		d.placeholder(1), d.placeholder(2), d.placeholder(3))
	if _, err := tx.exec(ctx, insert, s.pipeline, string(next), at); err != nil {
		if d.diagnose(err).class == refused {
			return s.overtaken()
		}
		return s.explain(ctx, "write to", "ferryman_state", err)
	}
	return nil
}

func (s *Sink) overtaken() error {
	return &fault.Error{
		Kind: fault.Conflict, Code: "target_cursor_moved",
		Detail: fmt.Sprintf("another writer has moved the cursor of pipeline %q in %s", s.pipeline, s.dialect),
		Hint:   "let only one run of a pipeline write at a time; this one has to start again from the stored cursor",
	}
}
