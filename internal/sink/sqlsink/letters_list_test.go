package sqlsink

import (
	"fmt"
	"testing"
	"time"

	"ferryman/internal/pipeline"
)

func TestLettersAreListed(t *testing.T) {
	things := table(pipeline.Column{Name: "name", Type: pipeline.Text})
	andMSSQL(t, func(t *testing.T, url string) {
		now := time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)
		open := func(name string) *Sink {
			return openSink(t, url, Options{Pipeline: name, Tables: []*pipeline.Table{things}, Now: func() time.Time { return now }})
		}
		mine, other := open("mine"), open("other")
		list := func(s *Sink, after Letter, limit int, want string) []Letter {
			t.Helper()
			letters, err := s.Letters(t.Context(), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			keys := ""
			for _, l := range letters {
				keys += l.Key + " "
			}
			if keys != want {
				t.Errorf("got %q, want %q", keys, want)
			}
			return letters
		}
		list(mine, Letter{}, 10, "") // the table is not there yet
		reject := func(s *Sink, keys ...string) {
			t.Helper()
			c := pipeline.Change{Table: things}
			for _, key := range keys {
				c.Rejected = append(c.Rejected, pipeline.Rejected{Key: key, Row: []any{nil, "a"}, Reason: "no " + key})
			}
			if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{c}}); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Microsecond)
		}
		reject(mine, "a")
		reject(other, "x")
		reject(mine, "b", "c")
		reject(mine, "d")

		all, err := mine.Letters(t.Context(), Letter{}, 10)
		if err != nil || len(all) != 4 {
			t.Fatalf("%+v, %v", all, err)
		}
		if l := all[0]; l.Key != "d" || l.Table != things.Name || l.Reason != "no d" || !l.At.Equal(now.Add(-time.Microsecond)) {
			t.Errorf("got %+v", l)
		}
		// However large the pages are, they have each letter once and in the same order.
		for size := 1; size < 5; size++ {
			var got []Letter
			for after := (Letter{}); ; after = got[len(got)-1] {
				page, err := mine.Letters(t.Context(), after, size)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
			}
			if fmt.Sprint(got) != fmt.Sprint(all) {
				t.Errorf("pages of %d: %+v", size, got)
			}
		}
		list(other, Letter{}, 10, "x ")
		list(mine, Letter{}, 0, "")
	})
}
