package outboxsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// place is the pipeline's cursor as this sink knows it.
type place struct {
	cursor pipeline.Cursor
	// doubtful is set where the answer to a commit was lost: the cursor may have
	// moved there.
	doubtful pipeline.Cursor
}

// Cursor is where the last durable batch said to resume; "" before the first. From
// then on Write gives a fault of kind Conflict if another writer moves it.
func (s *Sink) Cursor(ctx context.Context) (pipeline.Cursor, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	var cursor pipeline.Cursor
	err := s.db.QueryRow(ctx, "SELECT cursor FROM sync_cursors WHERE pipeline = $1", s.o.Pipeline).Scan(&cursor)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the cursor of %s: %w", s.o.Pipeline, err)
	}
	s.place, s.room = place{cursor: cursor}, 0
	return cursor, nil
}

// move advances the cursor if nobody else has, to where it is if next is "", and
// gives the pipeline's id and the cursor. It runs first in a transaction: a second
// writer waits for the row's lock, then finds that it is too late.
func (s *Sink) move(ctx context.Context, tx *db.Tx, next pipeline.Cursor) (id int64, cursor pipeline.Cursor, err error) {
	if s.place.cursor == "" {
		_, err := tx.Exec(ctx, "INSERT INTO sync_cursors (pipeline, updated_at) VALUES ($1, $2) ON CONFLICT (pipeline) DO NOTHING",
			s.o.Pipeline, db.Time{Time: tx.Now()})
		if err != nil {
			return 0, "", fmt.Errorf("make the cursor: %w", err)
		}
	}
	known := []pipeline.Cursor{s.place.cursor, s.place.cursor}
	if s.place.doubtful != "" {
		known[1] = s.place.doubtful
	}
	err = tx.QueryRow(ctx, `
		UPDATE sync_cursors SET cursor = coalesce(nullif(CAST($1 AS TEXT), ''), cursor), batches = batches + 1, updated_at = $2
		WHERE pipeline = $3 AND cursor IN ($4, $5) RETURNING id, cursor`,
		next, db.Time{Time: tx.Now()}, s.o.Pipeline, known[0], known[1]).Scan(&id, &cursor)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", &fault.Error{
			Kind: fault.Conflict, Code: "cursor_moved",
			Detail: fmt.Sprintf("another writer has moved the cursor of pipeline %q", s.o.Pipeline),
			Hint:   "let only one run of a pipeline write at a time; this one has to start again from the stored cursor",
		}
	}
	if err != nil {
		return 0, "", fmt.Errorf("move the cursor: %w", err)
	}
	return id, cursor, nil
}
