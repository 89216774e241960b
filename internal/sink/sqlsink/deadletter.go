package sqlsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

const (
	// longestLetter bounds a row kept as JSON, in bytes; one that is longer has its
	// texts and numbers cut to cutText runes, or fewer.
	longestLetter = 1 << 20
	// cutText bounds a key and a reason, in runes.
	cutText = 1000
)

// DeadLetters describes the table of rows that the target refused to write or to
// delete: one for each key, the latest. It goes when a row with that key lands, or
// when the row has gone with its scope. Rows without a usable key leave one for
// each reason, the latest, until somebody deletes it. Rows that the source could not
// make leave one for each pipeline.Rejected.Key, which goes with a scope that covers
// it, too. What is too long ends in "…".
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

// reject puts a row aside that could not be "written to" or "deleted from" the
// target, or ends a batch that must be whole.
func (s *Sink) reject(tx *transaction, p *plan, row []any, keyed bool, doing string, err error) error {
	if n, ok := errors.AsType[*narrow](err); ok && !tx.settled {
		return n // the batch is written again when the column is wide enough
	}
	key := p.rowKey(row)
	if tx.whole {
		return &fault.Error{
			Kind: fault.Invalid, Code: "target_refused_row", Err: err,
			Detail: fmt.Sprintf("the row with the key %.100s of table %q cannot be %s %s", key, p.table.Name, doing, s.dialect),
		}
	}
	id := s.letterPrefix(p.table.Name) + digest(key, 16)
	diagnosis := s.dialect.diagnose(err)
	reason := diagnosis.reason
	if reason == "" {
		reason = err.Error()
	}
	if diagnosis.hint != "" {
		reason += " (" + diagnosis.hint + ")"
	}
	if doing == "deleted from" {
		reason = "it has gone at the source and cannot be deleted: " + reason
	}
	if !keyed {
		id = s.letterPrefix(p.table.Name) + "-" + digest(reason, 16)
	}
	tx.putAside(letter{id, p.table.Name, key, p.rowJSON(row), reason})
	return nil
}

// rejectUnmade puts rows aside that the source could not make, or ends a batch that
// must be whole.
func (s *Sink) rejectUnmade(tx *transaction, p *plan, rows []pipeline.Rejected, count *pipeline.TableCount) error {
	last := make(map[string]int, len(rows))
	for i, r := range rows {
		last[r.Key] = i
	}
	for i, r := range rows {
		if last[r.Key] != i {
			continue
		}
		if tx.whole {
			return &fault.Error{
				Kind: fault.Invalid, Code: "target_refused_row",
				Detail: fmt.Sprintf("the source could not make the row %.100q of table %q: %.1000s", r.Key, p.table.Name, r.Reason),
			}
		}
		// No key of a row holds a NUL.
		id := s.letterPrefix(p.table.Name) + digest("\x00"+r.Key, 16)
		tx.putAside(letter{id, p.table.Name, r.Key, p.rowJSON(r.Row), r.Reason})
		count.Read++
		count.Rejected++
	}
	return nil
}

func (tx *transaction) putAside(l letter) {
	l.key, l.reason = cut(clean(l.key), cutText), cut(clean(l.reason), cutText)
	tx.letters = append(tx.letters, l)
}

// cut marks what it cuts to longest runes.
func cut(text string, longest int) string {
	if len(text) <= longest || utf8.RuneCountInString(text) <= longest {
		return text
	}
	for i := range text {
		if longest == 0 {
			return text[:i] + "…"
		}
		longest--
	}
	return text
}

// letterPrefix is what the letters of a table's rows have in common; a hexadecimal
// digit follows.
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

// rowJSON is a row for people, in no more bytes than can be written.
func (p *plan) rowJSON(row []any) string {
	bound := longestLetter
	if p.chunk.rowBytes > 0 {
		bound = min(bound, p.chunk.rowBytes/4)
	}
	text := p.object(row, 0)
	for longest := cutText; len(text) > bound; longest /= 4 {
		if longest == 0 {
			return "{}"
		}
		text = p.object(row, longest)
	}
	return text
}

// object writes a row as JSON, its texts and numbers cut to longest runes if that
// is not 0.
func (p *plan) object(row []any, longest int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range row {
		if v == (unread{}) {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		name := fmt.Sprintf("column %d", i+1)
		if i < p.width {
			name = p.table.Columns[i].Name
		}
		if text, ok := v.(string); ok {
			short := text
			if longest > 0 {
				short = cut(text, longest)
			}
			v = short
			if i < p.width && p.table.Columns[i].Type == pipeline.Decimal && short == text {
				if _, number := parseNumber(text); number {
					v = json.Number(text)
				}
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
	s.scratch.index(p, rows)
	var count pipeline.TableCount
	err := s.upsert(ctx, tx, p, rows, &count, func(_ []any, _ bool, reason error) error {
		return fmt.Errorf("keep a refused row: %w", reason)
	})
	return s.explain(ctx, "write to", "ferryman_dead_letters", err)
}
