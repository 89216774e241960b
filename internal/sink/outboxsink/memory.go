package outboxsink

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"ferryman/internal/db"
)

// memory is what is remembered of a transaction.
type memory struct {
	hash   string // 16 bytes, of the last that came; "": none did
	posted int    // how often; 0 with a hash: each was refused
}

// keysMost is how many keys a statement looks up or stores.
const keysMost = 1000

// recall gives what is remembered of some keys, in the order of the keys.
func (s *Sink) recall(ctx context.Context, tx *db.Tx, pipeline int64, keys []string) ([]memory, error) {
	places := make(map[string]int, len(keys))
	all := make([]memory, len(keys))
	for chunk := range slices.Chunk(keys, keysMost) {
		wanted := make(map[string]any, len(chunk))
		for _, key := range chunk {
			wanted[hex.EncodeToString([]byte(key))] = nil
			places[hex.EncodeToString([]byte(key))] = len(places)
		}
		list, err := json.Marshal(wanted)
		if err != nil {
			return nil, err
		}
		// Subqueries, not a join: PostgreSQL would keep a plan that reads all of a table
		// that was small once.
		rows, err := tx.Query(ctx, `SELECT v.key,
				(SELECT p.hash FROM postings p WHERE p.pipeline_id = $2 AND p.key = `+s.bytesOf("v.key")+`),
				(SELECT p.posted FROM postings p WHERE p.pipeline_id = $2 AND p.key = `+s.bytesOf("v.key")+`)
			FROM json_each($1) AS v`, string(list), pipeline)
		if err != nil {
			return nil, fmt.Errorf("recall what was posted: %w", err)
		}
		_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
			var key string
			var hash []byte
			var posted *int
			if err := r.Scan(&key, &hash, &posted); err != nil {
				return struct{}{}, err
			}
			if posted != nil {
				all[places[key]] = memory{string(hash), *posted}
			}
			return struct{}{}, nil
		})
		if err != nil {
			return nil, fmt.Errorf("recall what was posted: %w", err)
		}
	}
	return all, nil
}

// remembered is a memory to be kept under a key.
type remembered struct {
	key string
	memory
}

// remember keeps memories in place of what was remembered.
func (s *Sink) remember(ctx context.Context, tx *db.Tx, pipeline int64, all []remembered) error {
	for chunk := range slices.Chunk(all, keysMost) {
		values := make(map[string][]any, len(chunk))
		for _, r := range chunk {
			values[hex.EncodeToString([]byte(r.key))] = []any{hex.EncodeToString([]byte(r.hash)), r.posted}
		}
		list, err := json.Marshal(values) // in the order of the keys
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO postings (pipeline_id, key, hash, posted, changed_at)
			SELECT $2, `+s.bytesOf("v.key")+", "+s.bytesOf("v.value->>0")+`, CAST(v.value->>1 AS INTEGER), $3 FROM json_each($1) AS v WHERE TRUE
			ON CONFLICT (pipeline_id, key) DO UPDATE SET hash = excluded.hash, posted = excluded.posted, changed_at = excluded.changed_at`,
			string(list), pipeline, db.Time{Time: tx.Now()})
		if err != nil {
			return fmt.Errorf("remember what is posted: %w", err)
		}
	}
	return nil
}

// bytesOf is the SQL for the bytes that a text has in hexadecimal digits.
func (s *Sink) bytesOf(text string) string {
	if s.db.Dialect() == db.Postgres {
		return "decode(" + text + ", 'hex')"
	}
	return "unhex(" + text + ")"
}
