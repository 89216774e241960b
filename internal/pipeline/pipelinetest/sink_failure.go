package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

func sinkCursor(b *bench) {
	b.cursor("")
	b.write("", changes(change(tags(), []any{"x"})), landed("tags", 1, 1, 0, 0, 0))
	b.cursor("")
	odd := pipeline.Cursor(`{"page": "ü'\"\\ ", "n": ` + strings.Repeat("9", 3000) + `}`)
	for _, c := range []pipeline.Cursor{"one", "One", "one ", odd, "one"} {
		b.write(c, changes(change(tags(), []any{"x"})), landed("tags", 1, 0, 1, 0, 0))
		b.cursor(c)
		b.sink = b.open("suite")
		b.cursor(c)
	}
	b.write("", changes(change(tags(), []any{"y"})), landed("tags", 1, 1, 0, 0, 0))
	b.write("only a cursor", nil)
	b.cursor("only a cursor")
	b.sink = b.open("another pipeline")
	b.cursor("")
}

func sinkStale(b *bench) {
	late := b.open("suite")
	for _, start := range []pipeline.Cursor{"", "first"} {
		if c, err := late.Cursor(b.Context()); err != nil || c != start {
			b.Fatalf("cursor %q, %v, want %q", c, err, start)
		}
		b.cursor(start)
		b.write(start+"first", nil)
		_, err := late.Write(b.Context(), pipeline.Batch{Next: "late", Changes: changes(change(tags(), []any{"late"}))})
		if fault.KindOf(err) != fault.Conflict || fault.Temporary(err) {
			b.Errorf("a stale writer got %v", err)
		}
		b.rows(tags())
		b.cursor(start + "first")
	}
	// Having looked again it may write.
	b.sink = late
	b.cursor("firstfirst")
	b.write("late", changes(change(tags(), []any{"late"})), landed("tags", 1, 1, 0, 0, 0))
	b.cursor("late")
}

func sinkWrongType(b *bench) {
	bad := [][]any{
		author(1, nil),
		author(2, 7),
		{int64(3), "text", "n", nil, nil, nil},
		{int64(4), nil, "n", "1.5.", nil, nil},
		{int64(5), nil, "n", 1.5, nil, nil},
		{int64(6), nil, "n", nil, "true", nil},
		{int64(7), nil, "n", nil, nil, "2026-01-01"},
		{int64(8), nil, "n", nil, nil, time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{int64(9)},
		{nil, nil, "n", nil, nil, nil},
		{"10", nil, "n", nil, nil, nil},
	}
	n := int64(len(bad))
	b.write("next", changes(change(authors(), append(bad, author(20, "good"))...)), landed("authors", n+1, 1, 0, 0, n))
	b.rows(authors(), author(20, "good"))
	b.cursor("next")
}

func sinkOrphan(b *bench) {
	b.write("next", changes(
		change(authors(), author(1, "a"), author(2, nil), author(3, "c")),
		change(books(), []any{int64(1), "x", nil}, []any{int64(2), "x", nil}, []any{int64(2), "y", nil}, []any{int64(3), "x", nil})),
		landed("authors", 3, 2, 0, 0, 1), landed("books", 4, 2, 0, 0, 2))
	b.rows(authors(), author(1, "a"), author(3, "c"))
	b.rows(books(), []any{int64(1), "x", nil}, []any{int64(3), "x", nil})
	b.cursor("next")
	// Mended, they land.
	b.write("then", changes(change(authors(), author(2, "b")), change(books(), []any{int64(2), "x", nil})),
		landed("authors", 1, 1, 0, 0, 0), landed("books", 1, 1, 0, 0, 0))
}

func sinkBadAmongMany(b *bench) {
	const n = 3000
	bad := map[int64]bool{0: true, 1: true, 777: true, n - 1: true}
	var rows, want [][]any
	for i := range int64(n) {
		row := []any{int64(1), fmt.Sprintf("%05d", i), "t"}
		if bad[i] {
			row[0] = int64(2) // no such author
		} else {
			want = append(want, row)
		}
		rows = append(rows, row)
	}
	count := landed("books", n, n-4, 0, 0, 4)
	b.write("next", changes(change(authors(), author(1, "a")), change(books(), rows...)), landed("authors", 1, 1, 0, 0, 0), count)
	b.rows(books(), want...)
	count.Written, count.Unchanged = 0, n-4
	b.write("next", changes(change(books(), rows...)), count)
}

func sinkWhole(b *bench) {
	b.write("start", changes(change(authors(), author(1, "a"))), landed("authors", 1, 1, 0, 0, 0))
	for _, test := range []struct {
		changes []pipeline.Change
		words   []string
	}{
		{changes(change(authors(), author(5, "x"), author(6, nil))), []string{`"authors"`, "6", `"name"`}},
		{changes(change(authors(), author(5, "x")), change(books(), []any{int64(5), "a", nil}, []any{int64(66), "b", nil})), []string{`"books"`, "66", "b"}},
	} {
		_, err := b.sink.Write(b.Context(), pipeline.Batch{Changes: test.changes, Next: "next", Whole: true})
		if fault.KindOf(err) != fault.Invalid {
			b.Errorf("got %v", err)
			continue
		}
		for _, word := range test.words {
			if !strings.Contains(err.Error(), word) {
				b.Errorf("%q does not name %s", err, word)
			}
		}
	}
	b.rows(authors(), author(1, "a"))
	b.rows(books())
	b.cursor("start")
}

func sinkUnmade(b *bench) {
	unmade := func(key, reason string) pipeline.Rejected {
		return pipeline.Rejected{Key: key, Row: []any{nil, int64(1), 7.5}, Reason: reason}
	}
	c := change(authors(), author(1, "a"), author(2, nil))
	c.Rejected = []pipeline.Rejected{unmade("x", "odd"), unmade("y", "odd"), unmade("x", "very odd"), {}}
	b.write("next", changes(c), landed("authors", 5, 1, 0, 0, 4))
	b.write("then", changes(c), landed("authors", 5, 0, 1, 0, 4))
	c.Rows, c.Scope = nil, scope([]string{"shelf"}, []any{int64(1)})
	b.write("after", changes(c), landed("authors", 3, 0, 0, 1, 3))

	_, err := b.sink.Write(b.Context(), pipeline.Batch{Changes: changes(change(authors(), author(3, "c")), c), Next: "whole", Whole: true})
	if fault.KindOf(err) != fault.Invalid {
		b.Errorf("got %v", err)
	} else if !strings.Contains(err.Error(), `"authors"`) || !strings.Contains(err.Error(), "odd") {
		b.Errorf("%q names neither table nor reason", err)
	}
	b.rows(authors())
	b.cursor("after")
}

func sinkUndo(b *bench) {
	unknown := &pipeline.Table{Name: "unknown", Columns: tags().Columns, Key: tags().Key}
	_, err := b.sink.Write(b.Context(), pipeline.Batch{Next: "next",
		Changes: changes(change(authors(), author(1, "a")), change(unknown, []any{"x"}))})
	if err == nil {
		b.Error("a table that the sink was not opened for was written")
	}
	b.rows(authors())
	b.cursor("")
	b.write("next", changes(change(authors(), author(1, "a"))), landed("authors", 1, 1, 0, 0, 0))
}

func sinkCancelled(b *bench) {
	ctx, cancel := context.WithCancel(b.Context())
	b.write("start", nil)
	cancel()
	batch := pipeline.Batch{Next: "next", Changes: changes(change(authors(), author(1, "a")))}
	if _, err := b.sink.Write(ctx, batch); !errors.Is(err, context.Canceled) {
		b.Errorf("write: %v, want the context's error", err)
	}
	if _, err := b.sink.Cursor(ctx); !errors.Is(err, context.Canceled) {
		b.Errorf("cursor: %v, want the context's error", err)
	}
	b.rows(authors())
	b.cursor("start")
	b.write("next", batch.Changes, landed("authors", 1, 1, 0, 0, 0))
}
