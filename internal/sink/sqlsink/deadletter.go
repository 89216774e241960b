package sqlsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

const (
	// longestLetter bounds a row kept as JSON, in bytes; one that is longer has its
	// texts cut to cutText runes.
	longestLetter = 1 << 20
	cutText       = 1000
)

// DeadLetters describes the table of rows that the target refused: one for each
// key, the latest. It goes when a row with that key lands.
func DeadLetters() *pipeline.Table {
	return &pipeline.Table{
		Name: "ferryman_dead_letters",
		Columns: []pipeline.Column{
			{Name: "id", Type: pipeline.Text, Required: true}, // made of the next three
			{Name: "pipeline", Type: pipeline.Text, Required: true},
			{Name: "table_name", Type: pipeline.Text, Required: true},
			{Name: "row_key", Type: pipeline.Text, Required: true},  // a JSON array if the key has several columns
			{Name: "row_json", Type: pipeline.Text, Required: true}, // an object of the columns
			{Name: "reason", Type: pipeline.Text, Required: true},
			{Name: "rejected_at", Type: pipeline.Time, Required: true},
		},
		Key: []string{"id"},
	}
}

// letter is a row on its way to the dead letters.
type letter struct {
	id, table, key, row, reason string
}

// reject puts a row aside, or ends a batch that must be whole.
func (s *Sink) reject(tx *transaction, p *plan, row []any, keyed bool, err error) error {
	key, object := p.rowKey(row), p.rowJSON(row)
	if tx.whole {
		return &fault.Error{
			Kind: fault.Invalid, Code: "target_refused_row", Err: err,
			Detail: fmt.Sprintf("the row with the key %.100s of table %q cannot be written to %s", key, p.table.Name, s.dialect),
		}
	}
	reason := s.dialect.diagnose(err).reason
	if reason == "" {
		reason = err.Error()
	}
	identity := key
	if !keyed {
		identity = "\x00" + object // such rows have nothing else to tell them apart
	}
	tx.letters = append(tx.letters, letter{s.letterID(p, identity), p.table.Name, clean(key), object, clean(reason)})
	return nil
}

// letterID begins with what all letters of a table have in common.
func (s *Sink) letterID(p *plan, key string) string {
	return s.letterPrefix(p.table.Name) + digest(key, 16)
}

func (s *Sink) letterPrefix(table string) string {
	return digest(s.pipeline, 8) + digest(table, 8)
}

func digest(text string, bytes int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:bytes])
}

// rowKey is a row's key for people and for the letter's id.
func (p *plan) rowKey(row []any) string {
	var parts []any
	for _, k := range p.key {
		var v any
		if k < len(row) {
			v = row[k]
			if encoded, err := p.columns[k].value(v); err == nil {
				v = encoded
			}
		}
		parts = append(parts, v)
	}
	switch {
	case len(parts) > 1:
		return marshal(parts)
	case parts[0] == nil:
		return "NULL"
	default:
		return fmt.Sprint(parts[0])
	}
}

func (p *plan) rowJSON(row []any) string {
	text := p.object(row, 0)
	if len(text) > longestLetter {
		text = p.object(row, cutText)
	}
	return text
}

// object writes a row as JSON, its texts cut to longest runes if that is not 0.
func (p *plan) object(row []any, longest int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range row {
		if i > 0 {
			b.WriteByte(',')
		}
		name := fmt.Sprintf("column %d", i+1)
		if i < p.width {
			name = p.table.Columns[i].Name
		}
		if text, ok := v.(string); ok {
			if _, number := fractionDigits(text); number && i < p.width && p.table.Columns[i].Type == pipeline.Decimal {
				v = json.Number(text)
			} else if longest > 0 && utf8.RuneCountInString(text) > longest {
				v = string([]rune(text)[:longest]) + "…"
			}
		}
		b.WriteString(marshal(name))
		b.WriteByte(':')
		b.WriteString(marshal(v))
	}
	b.WriteByte('}')
	return b.String()
}

func marshal(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // no type of a column, then: it may hold anything
		text, _ = json.Marshal(fmt.Sprint(v))
	}
	return string(text)
}

// findLetters asks which tables have dead letters that a batch may clear.
func (s *Sink) findLetters(ctx context.Context, tx *transaction, b pipeline.Batch) error {
	d := s.dialect
	var tables, probes []string
	var args []any
	for _, c := range b.Changes {
		if c.Table == nil || len(c.Rows) == 0 || slices.Contains(tables, c.Table.Name) {
			continue
		}
		tables = append(tables, c.Table.Name)
		prefix := s.letterPrefix(c.Table.Name)
		args = append(args, prefix, prefix+"g") // g follows all hexadecimal digits
		probes = append(probes, fmt.Sprintf("CASE WHEN EXISTS (SELECT 1 FROM %s WHERE %s >= %s AND %s < %s) THEN 1 ELSE 0 END",
			d.quote("ferryman_dead_letters"), d.quote("id"), d.placeholder(len(args)-1), d.quote("id"), d.placeholder(len(args))))
	}
	if len(tables) == 0 {
		return nil
	}
	found := make([]bool, len(tables))
	pointers := make([]any, len(tables))
	for i := range found {
		pointers[i] = &found[i]
	}
	if err := tx.QueryRowContext(ctx, "SELECT "+strings.Join(probes, ", "), args...).Scan(pointers...); err != nil {
		return s.explain(ctx, "read", "ferryman_dead_letters", err)
	}
	tx.lettered = map[string]bool{}
	for i, table := range tables {
		tx.lettered[table] = found[i]
	}
	return nil
}

// clearLetters deletes the dead letters of rows whose keys are in the scratch. Those
// that were refused again get a new one in the end.
func (s *Sink) clearLetters(ctx context.Context, tx *transaction, p *plan, rows [][]any) error {
	ids := make([][]any, 0, len(s.scratch.last))
	for _, i := range s.scratch.last {
		ids = append(ids, []any{s.letterID(p, p.rowKey(rows[i]))})
	}
	letters := s.plans["ferryman_dead_letters"]
	for group := range groups(ids, 1) {
		condition, args := among(s.dialect, letters.pick(letters.key), group)
		query := fmt.Sprintf("DELETE FROM %s WHERE %s", s.dialect.quote("ferryman_dead_letters"), condition)
		if _, err := tx.exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// keepLetters writes the letters of this batch.
func (s *Sink) keepLetters(ctx context.Context, tx *transaction) error {
	if len(tx.letters) == 0 {
		return nil
	}
	rows := make([][]any, len(tx.letters))
	for i, l := range tx.letters {
		rows[i] = []any{l.id, s.pipeline, l.table, l.key, l.row, l.reason, tx.now}
	}
	p := s.plans["ferryman_dead_letters"]
	var count pipeline.TableCount
	err := s.upsert(ctx, tx, p, rows, &count, func(_ []any, _ bool, reason error) error {
		return fmt.Errorf("keep a refused row: %w", reason)
	})
	return s.explain(ctx, "write to", "ferryman_dead_letters", err)
}
