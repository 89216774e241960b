package sqlsink

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ferryman/internal/pipeline"
)

// BenchmarkContacts writes contacts with what hangs below them, in batches with
// scopes, into tables with indexes: fresh, again unchanged, and compared by a dry
// run. The same rows go into the same tables by the database's own means. Picking
// two columns of a thousand contacts comes last.
func BenchmarkContacts(b *testing.B) {
	for _, target := range targets {
		b.Run(target.name, func(b *testing.B) { benchmarkContacts(b, target.url, 50_000) })
	}
}

// contactTables are the tables of a campaign, as wide as they come.
func contactTables(suffix string) []*pipeline.Table {
	table := func(name, key string, texts, long, numbers, flags int, indexes ...string) *pipeline.Table {
		t := &pipeline.Table{Name: name + suffix, Key: []string{key},
			Stamps: []pipeline.Stamp{{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}}}
		t.Columns = append(t.Columns, pipeline.Column{Name: key, Type: pipeline.Text, Short: true})
		for _, names := range indexes {
			t.Indexes = append(t.Indexes, strings.Fields(names))
			for name := range strings.FieldsSeq(names) {
				if t.Index(name) < 0 {
					t.Columns = append(t.Columns, pipeline.Column{Name: name, Type: pipeline.Text, Short: true})
				}
			}
		}
		for _, kind := range []struct {
			name   string
			n      int
			column pipeline.Column
		}{
			{"short", texts, pipeline.Column{Type: pipeline.Text, Short: true}}, {"long", long, pipeline.Column{Type: pipeline.Text}},
			{"number", numbers, pipeline.Column{Type: pipeline.Decimal}}, {"flag", flags, pipeline.Column{Type: pipeline.Boolean}},
		} {
			for i := range kind.n {
				c := kind.column
				c.Name = fmt.Sprint(kind.name, i)
				t.Columns = append(t.Columns, c)
			}
		}
		return t
	}
	return []*pipeline.Table{
		table("contacts", "$id", 20, 13, 2, 0, "$id $md5"),
		table("transactions", "id", 10, 1, 3, 2, "contact_id"),
		table("connections", "id", 22, 1, 2, 0, "contact_id", "transaction_id"),
		table("recordings", "id", 2, 2, 0, 0, "contact_id", "connection_id"),
	}
}

// contactBatches are batches of 1000 contacts, each with two transactions, three
// connections and now and then a recording.
func contactBatches(tables []*pipeline.Table, contacts int) []pipeline.Batch {
	random := rand.New(rand.NewPCG(1, 2))
	row := func(t *pipeline.Table, key, contact string) []any {
		values := make([]any, len(t.Columns))
		for i, c := range t.Columns {
			switch {
			case i == 0:
				values[i] = key
			case c.Name == "contact_id":
				values[i] = contact
			case c.Name[0] != '$' && random.IntN(3) == 0: // many are empty
			case c.Type == pipeline.Decimal:
				values[i] = fmt.Sprint(random.IntN(1000))
			case c.Type == pipeline.Boolean:
				values[i] = random.IntN(2) == 0
			default:
				values[i] = fmt.Sprintf("%015x", random.Uint64()>>4)
			}
		}
		return values
	}
	id := func() string { return fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()) }
	var batches []pipeline.Batch
	for from := 0; from < contacts; from += 1000 {
		changes := make([]pipeline.Change, len(tables))
		for i, t := range tables {
			changes[i].Table = t
			if i > 0 {
				changes[i].Scope = &pipeline.Scope{Columns: []string{"contact_id"}}
			}
		}
		for range 1000 {
			contact := strings.ToUpper(id()[:16])
			for i, n := range []int{1, 2, 3, random.IntN(2)} {
				key := contact
				for range n {
					if i > 0 {
						key = id()
					}
					changes[i].Rows = append(changes[i].Rows, row(tables[i], key, contact))
				}
				if i > 0 {
					changes[i].Scope.Parents = append(changes[i].Scope.Parents, []any{contact})
				}
			}
		}
		batches = append(batches, pipeline.Batch{Changes: changes, Next: pipeline.Cursor(fmt.Sprint("at ", from))})
	}
	return batches
}

func benchmarkContacts(b *testing.B, url func(testing.TB) string, contacts int) {
	tables, beside := contactTables(""), contactTables("_beside")
	batches := contactBatches(tables, contacts)
	rows := 0
	byTable := make([][][]any, len(tables))
	for _, batch := range batches {
		for i, c := range batch.Changes {
			byTable[i] = append(byTable[i], c.Rows...)
			rows += len(c.Rows)
		}
	}
	var plain, fresh, unchanged, dry, pick time.Duration
	for range b.N {
		s := openSink(b, url(b), Options{Pipeline: "bench", Tables: append(beside, tables...), Adapt: true})
		if err := s.Prepare(b.Context()); err != nil {
			b.Fatal(err)
		}
		for i, t := range beside {
			plain += writePlain(b, s, t, byTable[i])
			if _, err := s.db.ExecContext(b.Context(), "DROP TABLE "+s.dialect.quote(t.Name)); err != nil {
				b.Fatal(err) // else there would be less memory for the others
			}
		}
		writeTo := func(sink pipeline.Sink, took *time.Duration) {
			start := time.Now()
			for _, batch := range batches {
				if _, err := sink.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			*took += time.Since(start)
		}
		writeTo(s, &fresh)
		writeTo(s, &unchanged)
		writeTo(s.Dry(nil), &dry)
		var ids []any
		for _, row := range byTable[0][:1000] {
			ids = append(ids, row[0])
		}
		const times = 20
		start := time.Now()
		for range times {
			if picked, err := s.Pick(b.Context(), tables[0], []string{"$md5", "short0"}, ids); err != nil || len(picked) != len(ids) {
				b.Fatal(len(picked), err)
			}
		}
		pick += time.Since(start) / times
	}
	rate := func(d time.Duration) float64 { return float64(rows*b.N) / d.Seconds() }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate(plain), "own-rows/s")
	b.ReportMetric(rate(fresh), "fresh-rows/s")
	b.ReportMetric(rate(unchanged), "unchanged-rows/s")
	b.ReportMetric(rate(dry), "dry-rows/s")
	b.ReportMetric(rate(fresh)/rate(plain), "fresh/own")
	b.ReportMetric(float64(pick.Microseconds())/1000/float64(b.N), "pick-1000-ms")
}
