package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"ferryman/internal/sandbox/campaign"
)

// loadedContacts is how many contacts BenchmarkContacts brings, with about two
// transactions and three connections each; FERRYMAN_BENCH_CONTACTS sets another.
func loadedContacts(b *testing.B) int {
	b.Helper()
	text := os.Getenv("FERRYMAN_BENCH_CONTACTS")
	if text == "" {
		return 50_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// loading is what one run of the program took.
type loading struct {
	took   time.Duration
	cpu    time.Duration
	memory int64 // the most that was resident, in bytes
}

func load(b *testing.B, state string, flags []string) loading {
	b.Helper()
	cmd := command(b, state, nil, append([]string{"contacts", "sync"}, flags...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var l loading
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for { // what the kernel tells at the end begins with the memory of the parent
			select {
			case <-time.After(20 * time.Millisecond):
				l.memory = max(l.memory, peak(cmd.Process.Pid))
			case <-ended:
				return
			}
		}
	})
	err := cmd.Wait()
	l.took = time.Since(began)
	close(ended)
	watching.Wait()
	if err != nil {
		b.Fatalf("%v\n%s", err, out.String())
	}
	l.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return l
}

// peak is the most that a process has had resident, in bytes; 0 once it has ended.
func peak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscan(after, &kilobytes) // what cannot be read is 0
	return kilobytes << 10
}

// BenchmarkContacts loads a campaign into an empty database, then again when
// nothing has changed, and when a hundredth has; and, for comparison, the same rows
// by the database's own bulk load into tables like those, with the same indexes.
func BenchmarkContacts(b *testing.B) {
	for name, fresh := range databases {
		b.Run(name, func(b *testing.B) {
			contacts := loadedContacts(b)
			c := newCallCentre(b, campaign.Options{Contacts: contacts, Fields: 10, Plain: true})
			for range b.N {
				d, state := fresh(b), b.TempDir()
				flags := c.flags(d, "--mode", "db_init")
				first := load(b, state, flags)
				rows := d.rows(b)
				wal := d.written(b)
				again := load(b, state, flags)
				wal = d.written(b) - wal
				c.change(b, contacts/100, "edit")
				changed := load(b, state, flags)
				bulk := d.bulk(b)

				rate := func(l loading) float64 { return float64(rows) / l.took.Seconds() }
				b.ReportMetric(float64(rows), "rows")
				b.ReportMetric(rate(first), "first-rows/s")
				b.ReportMetric(rate(again), "unchanged-rows/s")
				b.ReportMetric(rate(changed), "changed-rows/s")
				b.ReportMetric(float64(rows)/bulk.Seconds(), "bulk-rows/s")
				b.ReportMetric(bulk.Seconds()/first.took.Seconds(), "first/bulk")
				b.ReportMetric(rate(again)/rate(first), "unchanged/first")
				b.ReportMetric(float64(first.memory)/(1<<20), "first-MB")
				b.ReportMetric(float64(again.memory)/(1<<20), "unchanged-MB")
				b.ReportMetric(first.cpu.Seconds(), "first-cpu-s")
				b.ReportMetric(again.cpu.Seconds(), "unchanged-cpu-s")
				b.ReportMetric(float64(wal)/(1<<20), "unchanged-WAL-MB")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// rows counts the rows of a mirror.
func (d database) rows(b *testing.B) (n int64) {
	b.Helper()
	for table := range contactTables {
		var rows int64
		if err := d.QueryRowContext(b.Context(), "SELECT count(*) FROM "+table).Scan(&rows); err != nil {
			b.Fatal(err)
		}
		n += rows
	}
	return n
}

// written is how many bytes of log the database has written in all; 0 where it does
// not tell.
func (d database) written(b *testing.B) (n int64) {
	b.Helper()
	if strings.HasPrefix(d.url, "postgres") {
		if err := d.QueryRowContext(b.Context(), "SELECT (pg_current_wal_lsn() - '0/0')::bigint").Scan(&n); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// bulk copies the tables by the database's own bulk load and gives the time of that.
func (d database) bulk(b *testing.B) (took time.Duration) {
	b.Helper()
	for table := range contactTables {
		switch {
		case strings.HasPrefix(d.url, "postgres"):
			took += d.bulkPostgres(b, table)
		case strings.HasPrefix(d.url, "mysql"):
			took += d.bulkMariaDB(b, table)
		default:
			took += d.bulkSQLite(b, table)
		}
	}
	return took
}

func (d database) must(b *testing.B, statement string) {
	b.Helper()
	if _, err := d.ExecContext(b.Context(), statement); err != nil {
		b.Fatalf("%s: %v", statement, err)
	}
}

func (d database) bulkPostgres(b *testing.B, table string) time.Duration {
	b.Helper()
	d.must(b, "CREATE TABLE bulk_"+table+" (LIKE "+table+" INCLUDING ALL)")
	conn, err := pgx.Connect(b.Context(), d.url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.Context()))
	file, err := os.Create(filepath.Join(b.TempDir(), table))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if _, err := conn.PgConn().CopyTo(b.Context(), file, "COPY "+table+" TO STDOUT"); err != nil {
		b.Fatal(err)
	}
	if _, err := file.Seek(0, 0); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if _, err := conn.PgConn().CopyFrom(b.Context(), file, "COPY bulk_"+table+" FROM STDIN"); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func (d database) bulkMariaDB(b *testing.B, table string) time.Duration {
	b.Helper()
	// The server writes and reads the file: the folder must be open to it.
	folder, err := os.MkdirTemp("", "ferryman-bench-") //nolint:usetesting // those of tests are open to nobody
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o777); err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(folder, table)
	d.must(b, "CREATE TABLE bulk_"+table+" LIKE "+table)
	// In the order of the key, which is no order in which rows come, a load is much faster.
	order := "contact_id"
	if table == "contacts" {
		order = "`$md5`"
	}
	d.must(b, fmt.Sprintf("SELECT * FROM %s ORDER BY %s INTO OUTFILE '%s' CHARACTER SET utf8mb4", table, order, file)) //nolint:unqueryvet // all of it
	began := time.Now()
	d.must(b, fmt.Sprintf("LOAD DATA INFILE '%s' INTO TABLE bulk_%s CHARACTER SET utf8mb4", file, table))
	return time.Since(began)
}

// bulkSQLite inserts all rows by one prepared statement in one transaction, as the
// shell's .import does.
func (d database) bulkSQLite(b *testing.B, table string) time.Duration {
	b.Helper()
	rows := d.table(b, table)
	path := filepath.Join(b.TempDir(), "bulk.db")
	other, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close()
	for _, statement := range d.column(b, "SELECT sql FROM sqlite_schema WHERE tbl_name = '"+table+"' AND sql IS NOT NULL ORDER BY type DESC") {
		if _, err := other.ExecContext(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	tx, err := other.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	if len(rows) > 0 {
		stmt, err := tx.PrepareContext(b.Context(), "INSERT INTO "+table+" VALUES (?"+strings.Repeat(", ?", len(rows[0])-1)+")")
		if err != nil {
			b.Fatal(err)
		}
		for _, row := range rows {
			if _, err := stmt.ExecContext(context.Background(), row...); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// table is all rows of a table.
func (d database) table(b *testing.B, table string) (all [][]any) {
	b.Helper()
	rows, err := d.QueryContext(b.Context(), "SELECT * FROM "+table) //nolint:unqueryvet // all of it
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		b.Fatal(err)
	}
	for rows.Next() {
		values, pointers := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			b.Fatal(err)
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return all
}
