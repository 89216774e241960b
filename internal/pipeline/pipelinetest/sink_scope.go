package pipelinetest

import "ferryman/internal/pipeline"

func scope(columns []string, parents ...[]any) *pipeline.Scope {
	return &pipeline.Scope{Columns: columns, Parents: parents}
}

func sinkScope(b *bench) {
	book := func(author int64, code string) []any { return []any{author, code, "t"} }
	b.write("", changes(change(authors(), author(1, "a"), author(2, "b"), author(3, "c")),
		change(books(), book(1, "a"), book(1, "b"), book(1, "c"), book(2, "a"), book(3, "a"))),
		landed("authors", 3, 3, 0, 0, 0), landed("books", 5, 5, 0, 0, 0))

	c := change(books(), book(1, "b"), book(1, "d"))
	c.Scope = scope([]string{"author_id"}, []any{int64(1)})
	b.write("", changes(c), landed("books", 2, 1, 1, 2, 0))
	b.rows(books(), book(1, "b"), book(1, "d"), book(2, "a"), book(3, "a"))

	c = change(books())
	c.Scope = scope([]string{"author_id"}, []any{int64(2)}, []any{int64(99)})
	b.write("", changes(c), landed("books", 0, 0, 0, 1, 0))
	b.rows(books(), book(1, "b"), book(1, "d"), book(3, "a"))

	c.Scope = scope([]string{"author_id"})
	b.write("", changes(c), landed("books", 0, 0, 0, 0, 0))
	b.rows(books(), book(1, "b"), book(1, "d"), book(3, "a"))
}

func sinkWideScope(b *bench) {
	var parents [][]any
	all := make([][]any, 0, 700)
	for i := range int64(700) {
		all = append(all, []any{i, i % 2, "n", nil, nil, nil})
		parents = append(parents, []any{1000 + i, "n"})
	}
	b.write("", changes(change(authors(), all...)), landed("authors", 700, 700, 0, 0, 0))
	c := change(authors(), all[1], all[3])
	c.Scope = scope([]string{"shelf", "name"}, append(parents, []any{int64(1), "n"})...)
	b.write("", changes(c), landed("authors", 2, 0, 2, 348, 0))
	if got := len(b.target.Rows(b.T, authors())); got != 352 {
		b.Errorf("%d rows are left, want 352", got)
	}
}

func sinkManyParents(b *bench) {
	const n = 1300
	var all, parents [][]any
	for i := range int64(n) {
		all = append(all, []any{i, i, "n", nil, nil, nil})
		parents = append(parents, []any{i})
	}
	b.write("", changes(change(authors(), all...)), landed("authors", n, n, 0, 0, 0))
	c := change(authors(), all[700])
	c.Scope = scope([]string{"shelf"}, parents...)
	b.write("", changes(c), landed("authors", 1, 0, 1, n-1, 0))
	b.rows(authors(), all[700])
}

func sinkScopeKeepsRefused(b *bench) {
	b.write("", changes(change(authors(), author(1, "a"), author(2, "b"), author(3, "c"), author(4, "d"))), landed("authors", 4, 4, 0, 0, 0))
	c := change(authors(), author(1, "a"), author(2, int64(7)), []any{int64(4), int64(1)})
	c.Scope = scope([]string{"shelf"}, []any{int64(1)})
	b.write("", changes(c), landed("authors", 3, 0, 1, 1, 2))
	b.rows(authors(), author(1, "a"), author(2, "b"), author(4, "d"))
}

func sinkCascade(b *bench) {
	b.write("", changes(change(authors(), author(1, "a"), author(2, "b")),
		change(books(), []any{int64(1), "x", nil}, []any{int64(2), "x", nil})),
		landed("authors", 2, 2, 0, 0, 0), landed("books", 2, 2, 0, 0, 0))
	c := change(authors(), author(2, "b"))
	c.Scope = scope([]string{"shelf"}, []any{int64(1)})
	b.write("", changes(c), landed("authors", 1, 0, 1, 1, 0))
	b.rows(books(), []any{int64(2), "x", nil})
}
