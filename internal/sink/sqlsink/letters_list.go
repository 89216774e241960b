package sqlsink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ferryman/internal/pipeline"
)

// Letter is a row that the target or the source refused, as the dead letters have
// it. Texts that were too long end in "…".
type Letter struct {
	ID     string
	Table  string
	Key    string // of the row
	Reason string
	At     time.Time // when it was refused last; UTC
}

// Letters gives up to limit of this pipeline's dead letters, the newest first: from
// the beginning, or those after the given one, by its ID and At. It may be called at
// any time; it takes as long as the pipeline has letters.
func (s *Sink) Letters(ctx context.Context, after Letter, limit int) (letters []Letter, err error) {
	t := DeadLetters()
	err = s.look(ctx, t.Name, func() error {
		letters, err = s.lettersOnce(ctx, t, after, limit)
		return err
	})
	return letters, err
}

func (s *Sink) lettersOnce(ctx context.Context, t *pipeline.Table, after Letter, limit int) ([]Letter, error) {
	v, err := s.view(ctx, t)
	if err != nil || v == nil || limit <= 0 {
		return nil, err
	}
	d := s.dialect
	at := v.have.column("rejected_at", d.traits().foldsNames)
	if at == nil {
		return nil, schemaFault(t, `has no column "rejected_at"`, "")
	}
	rejected := column{existing: *at, typ: pipeline.Time, quoted: d.quote(at.name), layout: d.traits().timeLayout}
	columns := []string{"id", "table_name", "row_key", "reason", "rejected_at"}
	types := []pipeline.Type{pipeline.Text, pipeline.Text, pipeline.Text, pipeline.Text, pipeline.Time}
	var selected []string
	for _, name := range columns {
		selected = append(selected, s.reading(v.have, name))
	}
	// The letters of a pipeline are those whose ids begin alike; g follows all
	// hexadecimal digits.
	prefix := digest(s.pipeline, 8)
	args := []any{prefix + "0", prefix + "g"}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s >= %s AND %s < %s", strings.Join(selected, ", "), d.quote(t.Name),
		v.key.quoted, d.placeholder(1), v.key.quoted, d.placeholder(2))
	if after.ID != "" {
		value, err := rejected.value(after.At)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.Name, err)
		}
		query += fmt.Sprintf(" AND (%s < %s OR %s = %s AND %s < %s)", rejected.quoted, d.placeholder(3), rejected.quoted, d.placeholder(4), v.key.quoted, d.placeholder(5))
		args = append(args, value, value, after.ID)
	}
	query += fmt.Sprintf(" ORDER BY %s DESC, %s DESC%s", rejected.quoted, v.key.quoted, d.limit(limit))
	rows, err := s.query(ctx, s.db, query, args, types)
	if err != nil {
		return nil, err
	}
	letters := make([]Letter, len(rows))
	for i, row := range rows {
		letters[i] = Letter{ID: textOf(row[0]), Table: textOf(row[1]), Key: textOf(row[2]), Reason: textOf(row[3])}
		letters[i].At, _ = row[4].(time.Time)
	}
	return letters, nil
}

func textOf(v any) string {
	text, _ := v.(string)
	return text
}
