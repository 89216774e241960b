package sqlsink

import (
	"fmt"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

func TestListAndGet(t *testing.T) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)
	byNumber := table(pipeline.Column{Name: "name", Type: pipeline.Text}, pipeline.Column{Name: "n", Type: pipeline.Decimal},
		pipeline.Column{Name: "at", Type: pipeline.Time}, pipeline.Column{Name: "ok", Type: pipeline.Boolean})
	byNumber.Stamps = []pipeline.Stamp{{Name: "inserted_at", Type: pipeline.Time, On: pipeline.OnInsert}, {Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}}
	byText := &pipeline.Table{Name: "names", Key: []string{"name"}, Columns: []pipeline.Column{{Name: "name", Type: pipeline.Text}}}

	eachTarget(t, func(t *testing.T, url string) {
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{byNumber, byText}, Now: func() time.Time { return at }})
		list := func(table *pipeline.Table, after any, limit int, want ...any) {
			t.Helper()
			rows, err := s.List(t.Context(), table, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			var keys []any
			for _, row := range rows {
				keys = append(keys, row[0])
			}
			if fmt.Sprintf("%#v", keys) != fmt.Sprintf("%#v", want) {
				t.Errorf("after %v: %v, want %v", after, keys, want)
			}
		}
		// Nothing is there yet, not even a table.
		list(byNumber, nil, 10)
		list(byText, "a", 10)
		if _, err := s.Get(t.Context(), byNumber, int64(1)); fault.KindOf(err) != fault.NotFound {
			t.Errorf("got %v", err)
		}

		rows := [][]any{{int64(-1), "a", "1.50", at, true}, {int64(2), nil, nil, nil, nil}, {int64(10), "c", "12345678901234567890.5", at, false}}
		names := [][]any{{"a"}, {"B"}, {"b"}, {"b "}, {"ä"}}
		if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: byNumber, Rows: rows}, {Table: byText, Rows: names}}}); err != nil {
			t.Fatal(err)
		}
		list(byNumber, nil, 10, int64(-1), int64(2), int64(10))
		list(byNumber, nil, 2, int64(-1), int64(2))
		list(byNumber, int64(-1), 2, int64(2), int64(10))
		list(byNumber, int64(3), 2, int64(10))
		list(byNumber, int64(10), 2)
		list(byNumber, nil, 0)
		list(byText, nil, 10, "B", "a", "b", "b ", "ä")
		list(byText, "a", 2, "b", "b ")

		row, err := s.Get(t.Context(), byNumber, int64(10))
		want := []any{int64(10), "c", "12345678901234567890.5", at, false, at, "2026-05-06T07:08:09.123456Z"}
		if err != nil || fmt.Sprintf("%#v", row) != fmt.Sprintf("%#v", want) {
			t.Errorf("got %#v, %v", row, err)
		}
		for _, key := range []any{int64(3), nil} {
			if _, err := s.Get(t.Context(), byNumber, key); fault.KindOf(err) != fault.NotFound {
				t.Errorf("key %v: %v", key, err)
			}
		}
		if _, err := s.Get(t.Context(), byNumber, "1"); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a key of the wrong type: %v", err)
		}
		pairs := &pipeline.Table{Name: "x", Key: []string{"a", "b"}}
		if _, err := s.List(t.Context(), pairs, nil, 1); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a key of two columns: %v", err)
		}

		// A reader that knows of a column which nobody has made yet.
		wider := *byNumber
		wider.Columns = append(wider.Columns[:5:5], pipeline.Column{Name: "later", Type: pipeline.Text})
		row, err = s.Get(t.Context(), &wider, int64(2))
		if err != nil || len(row) != 8 || row[5] != nil || row[6] != at {
			t.Errorf("got %v, %v", row, err)
		}
	})
}
