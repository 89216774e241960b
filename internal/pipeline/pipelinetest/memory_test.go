package pipelinetest_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/pipeline/pipelinetest"
)

// store is a target in memory. Its defect, if any, is what a suite should find.
type store struct {
	defect  string
	tables  map[string]map[string][]any
	cursors map[string]pipeline.Cursor
}

func newStore(defect string) *store {
	return &store{defect: defect, tables: map[string]map[string][]any{}, cursors: map[string]pipeline.Cursor{}}
}

func (s *store) Open(_ *testing.T, o pipelinetest.Opening) pipeline.Sink {
	return &memorySink{store: s, opening: o}
}

func (s *store) Rows(_ *testing.T, t *pipeline.Table) [][]any {
	rows := slices.SortedFunc(maps.Values(s.tables[t.Name]), func(a, b []any) int {
		for _, k := range t.KeyIndexes() {
			if c := compare(a[k], b[k]); c != 0 {
				return c
			}
		}
		return 0
	})
	for i := range rows {
		rows[i] = slices.Clone(rows[i])
	}
	return rows
}

func compare(a, b any) int {
	if x, ok := a.(int64); ok {
		return cmp.Compare(x, b.(int64))
	}
	return cmp.Compare(a.(string), b.(string))
}

type memorySink struct {
	store   *store
	opening pipelinetest.Opening
	cursor  *pipeline.Cursor
}

func (s *memorySink) Cursor(ctx context.Context) (pipeline.Cursor, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	c := s.store.cursors[s.opening.Pipeline]
	s.cursor = &c
	return c, nil
}

func (s *memorySink) Write(ctx context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	defect := s.store.defect
	if err := ctx.Err(); err != nil && defect != "ignores the context" {
		return nil, err
	}
	stored := s.store.cursors[s.opening.Pipeline]
	if s.cursor == nil {
		s.cursor = &stored
	}
	if b.Next != "" && *s.cursor != stored && defect != "lets a stale writer in" {
		return nil, &fault.Error{Kind: fault.Conflict, Detail: "the cursor has moved"}
	}
	before := map[string]map[string][]any{}
	for name, table := range s.store.tables {
		before[name] = maps.Clone(table)
	}
	landed, err := s.changes(b)
	if err != nil {
		if defect != "leaves half a batch" {
			s.store.tables = before
		}
		return nil, err
	}
	if b.Next != "" && defect != "forgets the cursor" {
		s.store.cursors[s.opening.Pipeline] = b.Next
		s.cursor = &b.Next
	}
	return landed, nil
}

func (s *memorySink) changes(b pipeline.Batch) (pipeline.Landed, error) {
	var landed pipeline.Landed
	for _, c := range b.Changes {
		if !slices.ContainsFunc(s.opening.Tables, func(t *pipeline.Table) bool { return t.Name == c.Table.Name }) {
			return nil, &fault.Error{Kind: fault.Invalid, Detail: "unknown table"}
		}
		count := pipeline.TableCount{Table: c.Table.Name}
		if err := s.change(c, b.Whole, &count); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(landed, func(o pipeline.TableCount) bool { return o.Table == count.Table })
		if i < 0 {
			landed = append(landed, count)
			continue
		}
		landed[i].Add(count)
	}
	return landed, nil
}

func (s *memorySink) change(c pipeline.Change, whole bool, count *pipeline.TableCount) error {
	defect := s.store.defect
	table := s.store.tables[c.Table.Name]
	if table == nil {
		table = map[string][]any{}
		s.store.tables[c.Table.Name] = table
	}
	if err := s.setAside(c, whole, count); err != nil {
		return err
	}
	last, order := map[string]int{}, []string{}
	rows := slices.Clone(c.Rows)
	for i, row := range rows {
		rows[i] = s.clean(row)
		k := key(c.Table, rows[i], fmt.Sprint("row ", i))
		if defect == "ignores case" {
			k = strings.ToLower(k)
		}
		if _, seen := last[k]; seen && defect == "the first of equal keys wins" {
			continue
		}
		last[k] = i
		order = append(order, k)
	}
	for i, k := range order {
		if slices.Contains(order[i+1:], k) && last[k] != i {
			continue
		}
		count.Read++
		row := rows[last[k]]
		if reason := s.refuse(c.Table, row); reason != "" {
			if whole {
				return &fault.Error{Kind: fault.Invalid, Detail: fmt.Sprintf("table %q, row %v: %s", c.Table.Name, row, reason)}
			}
			count.Rejected++
			switch defect {
			case "forgets refused rows":
				delete(last, k)
			case "ends at a bad row":
				return nil
			}
			continue
		}
		s.upsert(c.Table, table, k, row, count)
	}
	if c.Scope != nil && defect != "ignores scopes" {
		s.deleteStale(c, table, last, count)
	}
	return nil
}

func (s *memorySink) setAside(c pipeline.Change, whole bool, count *pipeline.TableCount) error {
	keys := map[string]bool{}
	for _, r := range c.Rejected {
		keys[r.Key] = true
		if whole && s.store.defect != "takes a whole batch with holes" {
			return &fault.Error{Kind: fault.Invalid, Detail: fmt.Sprintf("table %q: %s", c.Table.Name, r.Reason)}
		}
	}
	n := int64(len(keys))
	if s.store.defect == "counts rows that were not made twice" {
		n = int64(len(c.Rejected))
	}
	count.Read += n
	count.Rejected += n
	return nil
}

func key(t *pipeline.Table, row []any, otherwise string) string {
	var parts []string
	for _, k := range t.KeyIndexes() {
		if k >= len(row) {
			return otherwise
		}
		parts = append(parts, fmt.Sprintf("%T %q", row[k], fmt.Sprint(row[k])))
	}
	return strings.Join(parts, ",")
}

func (s *memorySink) clean(row []any) []any {
	row = slices.Clone(row)
	for i, v := range row {
		switch v := v.(type) {
		case string:
			if s.store.defect != "writes unclean text" {
				row[i] = strings.ReplaceAll(strings.ToValidUTF8(v, "\ufffd"), "\x00", "\ufffd")
			}
		case time.Time:
			row[i] = v.Truncate(time.Microsecond)
		}
	}
	return row
}

func (s *memorySink) refuse(t *pipeline.Table, row []any) string {
	if len(row) != len(t.Columns) {
		return "width"
	}
	for i, c := range t.Columns {
		var ok bool
		switch v := row[i].(type) {
		case nil:
			ok = !c.Required && !slices.Contains(t.Key, c.Name)
		case int64:
			ok = c.Type == pipeline.Integer
		case bool:
			ok = c.Type == pipeline.Boolean
		case time.Time:
			ok = c.Type == pipeline.Time && v.Year() < 10000
		case string:
			ok = c.Type == pipeline.Text || c.Type == pipeline.Decimal && !strings.HasSuffix(v, ".")
		}
		if !ok && s.store.defect != "takes any type" {
			return fmt.Sprintf("column %q", c.Name)
		}
	}
	for _, r := range t.References {
		parent := row[t.Index(r.Column)]
		if s.store.tables[r.Table][fmt.Sprintf("%T %q", parent, fmt.Sprint(parent))] == nil {
			return "no parent"
		}
	}
	return ""
}

func (s *memorySink) upsert(t *pipeline.Table, table map[string][]any, k string, row []any, count *pipeline.TableCount) {
	now := s.opening.Now().UTC()
	old := table[k]
	if old != nil && slices.EqualFunc(old[:len(row)], row, same) {
		if s.store.defect == "counts unchanged rows as written" {
			count.Written++
			return
		}
		count.Unchanged++
		if s.store.defect != "moves stamps of unchanged rows" {
			return
		}
	} else if old != nil || s.store.defect == "counts inserted rows as updated" {
		count.Written++
		count.Updated++
	} else {
		count.Written++
		count.Inserted++
	}
	count.Bytes++
	stored := slices.Clone(row)
	for i, st := range t.Stamps {
		var v any = now
		if st.Type == pipeline.Text {
			v = now.Format("2006-01-02T15:04:05.000000Z")
		}
		if old != nil && st.On == pipeline.OnInsert {
			v = old[len(row)+i]
		}
		stored = append(stored, v)
	}
	table[k] = stored
}

func same(a, b any) bool {
	x, xok := a.(time.Time)
	y, yok := b.(time.Time)
	return xok && yok && x.Equal(y) || a == b
}

func (s *memorySink) deleteStale(c pipeline.Change, table map[string][]any, keep map[string]int, count *pipeline.TableCount) {
	parents := c.Scope.Parents
	if s.store.defect == "looks at few parents" {
		parents = parents[:min(len(parents), 500)]
	}
	for k, row := range table {
		_, stays := keep[k]
		listed := slices.ContainsFunc(parents, func(parent []any) bool {
			for i, name := range c.Scope.Columns {
				if row[c.Table.Index(name)] != parent[i] {
					return false
				}
			}
			return true
		})
		if stays || !listed {
			continue
		}
		delete(table, k)
		count.Deleted++
		if s.store.defect == "leaves orphans" {
			continue
		}
		for name, children := range s.store.tables {
			if name == "books" && c.Table.Name == "authors" {
				maps.DeleteFunc(children, func(_ string, child []any) bool { return child[0] == row[0] })
			}
		}
	}
}

// source reads numbers from memory, two rows a batch. Its defect, if any, is what
// a suite should find.
type source struct {
	defect   string
	snapshot bool
	reads    int
}

var (
	parents  = &pipeline.Table{Name: "parents", Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Integer}, {Name: "n", Type: pipeline.Decimal}}}
	children = &pipeline.Table{Name: "children", Key: []string{"parent"}, Columns: []pipeline.Column{{Name: "parent", Type: pipeline.Integer}},
		References: []pipeline.Reference{{Column: "parent", Table: "parents", Key: "id"}}}
)

func (s *source) batch(i int64) pipeline.Batch {
	up := pipeline.Change{Table: parents, Rows: [][]any{{i, "1.5"}, {i + 100, nil}}}
	down := pipeline.Change{Table: children, Rows: [][]any{{i}}, Scope: &pipeline.Scope{Columns: []string{"parent"}, Parents: [][]any{{i}}}}
	b := pipeline.Batch{Changes: []pipeline.Change{up, down}, Next: pipeline.Cursor(fmt.Sprint(i))}
	switch s.defect {
	case "children come first":
		b.Changes = []pipeline.Change{down, up}
	case "rows are too short":
		b.Changes[0].Rows[1] = []any{i}
	case "values are of the wrong type":
		b.Changes[0].Rows[1] = []any{i, 1.5}
	case "the key is NULL":
		b.Changes[0].Rows[1] = []any{nil, "1"}
	case "a scope is too narrow":
		b.Changes[1].Scope.Parents = [][]any{{}}
	case "a cursor comes twice":
		b.Next = "1"
	case "reads something else each time":
		b.Changes[0].Rows[0][1] = fmt.Sprint(s.reads)
	}
	if s.snapshot {
		b.Whole = true
		if s.defect != "a snapshot has a cursor" {
			b.Next = ""
		}
	}
	return b
}

func (s *source) Read(ctx context.Context, after pipeline.Cursor) iter.Seq2[pipeline.Batch, error] {
	return func(yield func(pipeline.Batch, error) bool) {
		s.reads++
		var from int64
		_, _ = fmt.Sscan(string(after), &from)
		if s.defect == "skips a batch on resuming" && after != "" {
			from++
		}
		release := make(chan struct{})
		go func() { <-release }()
		last := int64(4)
		if s.snapshot {
			last = 1
		}
		for i := from + 1; i <= last; i++ {
			if ctx.Err() != nil && s.defect != "ignores the context" {
				break
			}
			if !yield(s.batch(i), nil) {
				if s.defect != "leaves a goroutine behind" {
					close(release)
				}
				return
			}
		}
		close(release)
		if err := ctx.Err(); err != nil && s.defect != "ignores the context" {
			yield(pipeline.Batch{}, err)
		}
	}
}
