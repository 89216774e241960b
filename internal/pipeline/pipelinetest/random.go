package pipelinetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
)

// sinkRandom compares what random batches leave with a simple model.
func sinkRandom(b *bench) {
	batches := 0
	rapid.Check(b.T, func(t *rapid.T) {
		empty := change(authors())
		empty.Scope = scope([]string{"shelf"}, []any{int64(1)})
		if _, err := b.sink.Write(b.Context(), pipeline.Batch{Changes: changes(empty)}); err != nil {
			t.Fatalf("empty the tables: %v", err)
		}
		m := model{authors: map[int64][]any{}, books: map[bookKey][]any{}}
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			batches++
			batch := pipeline.Batch{Changes: drawChanges(t, b.keys("a", "A", "a ", "b\x00", "b\ufffd", "", "ß")), Next: pipeline.Cursor(fmt.Sprint("c", batches))}
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				want := m.write(batch)
				got, err := b.sink.Write(b.Context(), batch)
				if err != nil {
					t.Fatalf("write: %v", err)
				}
				if got := countsOf(got); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("landed %+v, want %+v", got, want)
				}
			}
		}
		for table, want := range map[*pipeline.Table][][]any{authors(): m.authorRows(), books(): m.bookRows()} {
			got := b.target.Rows(b.T, table)
			for i := range got {
				got[i] = got[i][:len(table.Columns)]
			}
			if diff := differ(table, got, want); diff != "" {
				t.Fatalf("table %s: %s", table.Name, diff)
			}
		}
		if c, err := b.sink.Cursor(b.Context()); err != nil || c != pipeline.Cursor(fmt.Sprint("c", batches)) {
			t.Fatalf("cursor %q, %v, want c%d", c, err, batches)
		}
	})
}

func drawChanges(t *rapid.T, codes []string) []pipeline.Change {
	id := rapid.Int64Range(1, 5)
	text := rapid.SampledFrom([]any{nil, "", "a", "A", "a ", "ä", "\t\\N\n", "x\x00y", "\xff", "'\"`", "😀"})
	code := rapid.SampledFrom(codes)
	orNull := func(values ...any) *rapid.Generator[any] { return rapid.SampledFrom(append(values, nil)) }
	rating := orNull("0", "-1", "0.1", "12345678901234567890.5", "100")
	born := orNull(time.Unix(0, 0), time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 1999, time.UTC))

	var list []pipeline.Change
	if rapid.Bool().Draw(t, "with authors") {
		c := change(authors())
		for range rapid.IntRange(0, 6).Draw(t, "authors") {
			c.Rows = append(c.Rows, []any{id.Draw(t, "id"), int64(1), text.Draw(t, "name"), rating.Draw(t, "rating"),
				orNull(true, false).Draw(t, "active"), born.Draw(t, "born")})
		}
		list = append(list, c)
	}
	if rapid.Bool().Draw(t, "with books") {
		c := change(books())
		for range rapid.IntRange(0, 8).Draw(t, "books") {
			c.Rows = append(c.Rows, []any{id.Draw(t, "author"), code.Draw(t, "code"), text.Draw(t, "title")})
		}
		if rapid.Bool().Draw(t, "scope") {
			c.Scope = scope([]string{"author_id"})
			for _, parent := range rapid.SliceOfN(id, 0, 3).Draw(t, "parents") {
				c.Scope.Parents = append(c.Scope.Parents, []any{parent})
			}
		}
		list = append(list, c)
	}
	return list
}

// model is what the two tables should hold.
type model struct {
	authors map[int64][]any
	books   map[bookKey][]any
}

type bookKey struct {
	author int64
	code   string
}

func (m model) write(b pipeline.Batch) pipeline.Landed {
	var all pipeline.Landed
	for _, c := range b.Changes {
		count := pipeline.TableCount{Table: c.Table.Name}
		if c.Table.Name == "authors" {
			rows := lastOfEach(c.Rows, func(row []any) int64 { return row[0].(int64) })
			for id, row := range rows {
				upsert(m.authors, c.Table, id, row, row[2] != nil, &count)
			}
		} else {
			key := func(row []any) bookKey { return bookKey{row[0].(int64), cleaned(row[1]).(string)} }
			rows := lastOfEach(c.Rows, key)
			for k, row := range rows {
				upsert(m.books, c.Table, k, row, m.authors[k.author] != nil, &count)
			}
			if c.Scope != nil {
				for _, parent := range c.Scope.Parents {
					maps.DeleteFunc(m.books, func(k bookKey, _ []any) bool {
						stale := k.author == parent[0] && rows[k] == nil
						if stale {
							count.Deleted++
						}
						return stale
					})
				}
			}
		}
		all = append(all, count)
	}
	return all
}

func lastOfEach[K comparable](rows [][]any, key func([]any) K) map[K][]any {
	last := map[K][]any{}
	for _, row := range rows {
		last[key(row)] = row
	}
	return last
}

func upsert[K comparable](table map[K][]any, t *pipeline.Table, k K, row []any, acceptable bool, count *pipeline.TableCount) {
	count.Read++
	stored := make([]any, len(row))
	for i, v := range row {
		stored[i] = cleaned(v)
	}
	switch {
	case !acceptable:
		count.Rejected++
	case table[k] != nil && differ(t, [][]any{table[k]}, [][]any{stored}) == "":
		count.Unchanged++
	default:
		if count.Written++; table[k] == nil {
			count.Inserted++
		} else {
			count.Updated++
		}
		table[k] = stored
	}
}

func cleaned(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(strings.ToValidUTF8(v, "\ufffd"), "\x00", "\ufffd")
	case time.Time:
		return v.Truncate(time.Microsecond)
	default:
		return v
	}
}

func (m model) authorRows() [][]any {
	return slices.SortedFunc(maps.Values(m.authors), func(a, b []any) int {
		return cmp.Compare(a[0].(int64), b[0].(int64))
	})
}

func (m model) bookRows() [][]any {
	return slices.SortedFunc(maps.Values(m.books), func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(int64), b[0].(int64)), cmp.Compare(a[1].(string), b[1].(string)))
	})
}
