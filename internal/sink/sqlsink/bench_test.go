package sqlsink

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"ferryman/internal/pipeline"
)

// BenchmarkSink writes rows in batches, fresh, again unchanged, then all changed,
// and in the same run by the database's own means: COPY, LOAD DATA LOCAL, or a
// prepared INSERT in one transaction.
//
// The metrics are rows per second and their ratio to the database's own means.
func BenchmarkSink(b *testing.B) {
	for _, target := range targets {
		b.Run(target.name, func(b *testing.B) {
			for _, layout := range layouts {
				b.Run(layout.name, func(b *testing.B) { benchmark(b, target.url, layout) })
			}
		})
	}
}

var layouts = []layout{
	{name: "wide", columns: 25, rows: 50_000, batch: 5_000},
	{name: "narrow", columns: 3, rows: 50_000, batch: 5_000},
	{name: "small batches", columns: 25, rows: 5_000, batch: 100},
}

// layout is a table with a text key and columns of about 15 bytes.
type layout struct {
	name                 string
	columns, rows, batch int
}

func (s layout) table(name string) *pipeline.Table {
	t := &pipeline.Table{Name: name, Key: []string{"id"},
		Stamps: []pipeline.Stamp{{Name: "changed", Type: pipeline.Text, On: pipeline.OnChange}}}
	t.Columns = append(t.Columns, pipeline.Column{Name: "id", Type: pipeline.Text, Required: true})
	for i := 1; i < s.columns; i++ {
		t.Columns = append(t.Columns, pipeline.Column{Name: fmt.Sprintf("column_%02d", i), Type: pipeline.Text})
	}
	return t
}

func (s layout) data(mark string) [][]any {
	random := rand.New(rand.NewPCG(1, 2))
	rows := make([][]any, s.rows)
	for i := range rows {
		row := make([]any, s.columns)
		row[0] = fmt.Sprintf("%016X", random.Uint64())
		for j := 1; j < s.columns; j++ {
			row[j] = fmt.Sprintf("%s%013x", mark, random.Uint64()>>12)
		}
		rows[i] = row
	}
	return rows
}

func benchmark(b *testing.B, url func(testing.TB) string, sh layout) {
	var fresh, unchanged, changed, plain time.Duration
	var wal int64
	rows, other := sh.data("ab"), sh.data("xy")
	for range b.N {
		table, beside := sh.table("target"), sh.table("beside")
		s := openSink(b, url(b), Options{Pipeline: "bench", Tables: []*pipeline.Table{table, beside}})
		if err := s.Prepare(b.Context()); err != nil {
			b.Fatal(err)
		}
		plain += writePlain(b, s, beside, rows)
		fresh += writeAll(b, s, table, rows, sh.batch)
		before := walPosition(b, s)
		unchanged += writeAll(b, s, table, rows, sh.batch)
		wal += walPosition(b, s) - before
		changed += writeAll(b, s, table, other, sh.batch)
	}
	rate := func(d time.Duration) float64 { return float64(sh.rows*b.N) / d.Seconds() }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate(plain), "own-rows/s")
	b.ReportMetric(rate(fresh), "fresh-rows/s")
	b.ReportMetric(rate(unchanged), "unchanged-rows/s")
	b.ReportMetric(rate(changed), "changed-rows/s")
	b.ReportMetric(rate(fresh)/rate(plain), "fresh/own")
	b.ReportMetric(rate(unchanged)/rate(plain), "unchanged/own")
	if wal > 0 {
		b.ReportMetric(float64(wal)/float64(b.N)/float64(sh.rows), "unchanged-WAL-bytes/row")
	}
}

func writeAll(b *testing.B, s *Sink, table *pipeline.Table, rows [][]any, batch int) time.Duration {
	b.Helper()
	start := time.Now()
	for i := 0; i < len(rows); i += batch {
		_, err := s.Write(b.Context(), pipeline.Batch{
			Changes: []pipeline.Change{{Table: table, Rows: rows[i:min(i+batch, len(rows))]}},
			Next:    pipeline.Cursor(fmt.Sprint(start.UnixNano(), "-", i)),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func walPosition(b *testing.B, s *Sink) (n int64) {
	if _, ok := s.dialect.(*postgres); ok {
		if err := s.db.QueryRowContext(b.Context(), "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&n); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// writePlain writes rows by the database's own means, in one transaction.
func writePlain(b *testing.B, s *Sink, table *pipeline.Table, rows [][]any) time.Duration {
	b.Helper()
	p := s.plans[table.Name]
	stamped := make([][]any, len(rows))
	for i, row := range rows {
		values, _, err := p.encode(nil, row)
		if err != nil {
			b.Fatal(err)
		}
		stamped[i] = append(values, "now")
	}
	all := make([]*column, len(p.columns))
	for i := range all {
		all[i] = &p.columns[i]
	}
	start := time.Now()
	var err error
	switch s.dialect.(type) {
	case *postgres:
		err = s.onConn(b.Context(), func(ctx context.Context, conn *sql.Conn) error {
			return raw(conn, func(conn *pgconn.PgConn) error {
				_, err := conn.CopyFrom(ctx, bytes.NewReader(copyText(stamped)), fmt.Sprintf("COPY %q FROM STDIN", table.Name))
				return err
			})
		})
	case *mysql:
		mysqldriver.RegisterReaderHandler(table.Name, func() io.Reader { return bytes.NewReader(copyText(stamped)) })
		defer mysqldriver.DeregisterReaderHandler(table.Name)
		_, err = s.db.ExecContext(b.Context(), fmt.Sprintf("LOAD DATA LOCAL INFILE 'Reader::%s' INTO TABLE `%s` CHARACTER SET utf8mb4", table.Name, table.Name))
	default:
		err = insertPlain(b.Context(), s.db, fmt.Sprintf("INSERT INTO %q (%s) VALUES (?%s)", table.Name, names(all), strings.Repeat(", ?", len(all)-1)), stamped)
	}
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func copyText(rows [][]any) []byte {
	var text []byte
	for _, row := range rows {
		text = appendCopy(text, row, nil)
	}
	return text
}

func insertPlain(ctx context.Context, db *sql.DB, query string, rows [][]any) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := stmt.ExecContext(context.WithoutCancel(ctx), row...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
