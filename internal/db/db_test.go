package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

func TestMigrateByManyAtOnce(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		const nodes = 6
		applied := make([]int, nodes)
		var wg sync.WaitGroup
		for i := range nodes {
			wg.Go(func() {
				d, err := db.Open(t.Context(), url, db.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				defer d.Close()
				ms, err := d.Migrate(t.Context())
				if err != nil {
					t.Error(err)
				}
				applied[i] = len(ms)
			})
		}
		wg.Wait()
		d := dbtest.Open(t, url, db.Options{})
		version, err := d.SchemaVersion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, n := range applied {
			sum += n
		}
		if sum != version || version == 0 {
			t.Errorf("%d steps were applied in all for version %d", sum, version)
		}
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO ferryman_migrations (version, name, applied_at) VALUES (9000, 'future', 0)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		// The future can be lived with until it says otherwise.
		if applied, err := d.Migrate(ctx); len(applied) != 0 || err != nil {
			t.Errorf("migrate: %v, %v", applied, err)
		}
		err = d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE schema_compatibility SET oldest = 9000")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Migrate(ctx)
		if fault.CodeOf(err) != "schema_newer" || !strings.Contains(err.Error(), "9000") {
			t.Errorf("migrate: %v", err)
		}
	})
}

func TestTxIsAllOrNothing(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		insert := func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO crons (application_id, slug, name, kind, created_at, updated_at) VALUES (1, 'a', 'A', 'sync', $1, $1)", db.Time{Time: tx.Now()})
			return err
		}
		count := func() (n int) {
			if err := d.QueryRow(ctx, "SELECT count(*) FROM crons").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		boom := errors.New("boom")
		err := d.Tx(ctx, func(tx *db.Tx) error { return errors.Join(insert(tx), boom) })
		if !errors.Is(err, boom) || count() != 0 {
			t.Errorf("after an error: %v, %d rows", err, count())
		}
		func() {
			defer func() { _ = recover() }()
			_ = d.Tx(ctx, func(tx *db.Tx) error {
				_ = insert(tx)
				panic("boom")
			})
		}()
		if count() != 0 {
			t.Error("a panic left rows behind")
		}
		cancelled, cancel := context.WithCancel(ctx)
		err = d.Tx(cancelled, func(tx *db.Tx) error {
			cancel()
			return insert(tx)
		})
		if err == nil || count() != 0 {
			t.Errorf("after a cancel: %v, %d rows", err, count())
		}
		if err := d.Tx(ctx, insert); err != nil || count() != 1 {
			t.Errorf("after a commit: %v, %d rows", err, count())
		}
	})
}

func TestCloseWaitsForATransaction(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	begun, gate := make(chan struct{}), make(chan struct{})
	ended, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		ended <- d.Tx(t.Context(), func(tx *db.Tx) error {
			close(begun)
			<-gate
			return mark(t.Context(), tx, "written")
		})
	}()
	testwait.Receive(t, begun)
	go func() { closed <- d.Close() }()
	testwait.Until(t, "Close is called", func() bool { return d.Writer().Stats().WaitCount > 0 || len(closed) > 0 })
	if len(closed) > 0 {
		t.Error("closed under an open transaction")
	}
	close(gate)
	if err := errors.Join(testwait.Receive(t, ended), testwait.Receive(t, closed)); err != nil {
		t.Error(err)
	}
}

// Two transactions that stand against each other are no trouble of the store's.
func TestAConflictIsNoTrouble(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		d := dbtest.Open(t, url, db.Options{})
		if d.Dialect() == db.SQLite {
			return // it has one writer
		}
		var both sync.WaitGroup
		both.Add(2)
		errs, gate := make(chan error, 2), make(chan struct{})
		for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
			go func() {
				errs <- d.Tx(t.Context(), func(tx *db.Tx) error {
					if err := mark(t.Context(), tx, order[0]); err != nil {
						return err
					}
					both.Done()
					both.Wait()
					err := mark(t.Context(), tx, order[1])
					if err == nil {
						<-gate
					}
					return err
				})
			}()
		}
		if err := testwait.Receive(t, errs); fault.CodeOf(err) != "store_conflict" {
			t.Errorf("called off with %v", err)
		}
		if err := d.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		close(gate)
		if err := testwait.Receive(t, errs); err != nil {
			t.Error(err)
		}
	})
}

func TestClockStandsStillInATransaction(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("CET", 3600))
	dbtest.Run(t, db.Options{Clock: func() time.Time { now = now.Add(time.Second); return now }}, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		err := d.Tx(ctx, func(tx *db.Tx) error {
			first := tx.Now()
			if !tx.Now().Equal(first) || first.Location() != time.UTC || first.Nanosecond()%1000 != 0 {
				t.Errorf("clock gives %v, then %v", first, tx.Now())
			}
			var back db.Time
			if err := tx.QueryRow(ctx, "SELECT CAST($1 AS BIGINT)", db.Time{Time: first}).Scan(&back); err != nil {
				return err
			}
			if !back.Equal(first) {
				t.Errorf("stored %v, read %v", first, back)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestSQLiteIsDurableAndServedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "store.db")
	open := func() *db.DB { return dbtest.Open(t, "sqlite://"+path, db.Options{}) }
	d := open()
	for _, pool := range []string{"writer", "readers"} {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
			var got string
			read := d.QueryRow(t.Context(), "PRAGMA "+pragma).Scan
			if pool == "writer" {
				read = d.Writer().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan
			}
			if err := read(&got); err != nil || got != want {
				t.Errorf("%s: %s is %s, want %s (%v)", pool, pragma, got, want, err)
			}
		}
	}
	if err := d.QueryRow(t.Context(), "INSERT INTO crons (application_id, slug, name, kind, created_at, updated_at) VALUES (1, 'a','a','sync',0,0) RETURNING id").Scan(new(int)); err == nil {
		t.Error("a reader could write")
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	for range 2 { // twice does no harm
		if err := d.Serve(); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	other := dbtest.Open(t, "sqlite://"+link, db.Options{})
	if err := other.Serve(); !errors.Is(err, db.ErrServed) {
		t.Errorf("served twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Serve(); err != nil {
		t.Errorf("after the release: %v", err)
	}
}

func TestABrokenConnectionIsUnavailable(t *testing.T) {
	d := dbtest.Open(t, testdb.Postgres(t)+"&pool_max_conns=1", db.Options{})
	ctx := t.Context()
	err := d.Tx(ctx, func(tx *db.Tx) error {
		var pid int
		if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			return err
		}
		if err := d.QueryRow(ctx, "SELECT pg_terminate_backend($1)", pid).Scan(new(bool)); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT 1").Scan(new(int))
	})
	if fault.CodeOf(err) != "store_unavailable" {
		t.Errorf("%v", err)
	}
}

// What connections gather goes with them, and after a while all have met all statements.
func TestConnectionsAreRenewed(t *testing.T) {
	for params, want := range map[string][2]time.Duration{
		"": {15 * time.Minute, 3 * time.Minute},
		"&pool_max_conn_lifetime=1h&pool_max_conn_lifetime_jitter=1s": {time.Hour, time.Second},
		"&pool_max_conn_lifetime=1h":                                  {time.Hour, 0},
	} {
		c := dbtest.Open(t, testdb.Postgres(t)+params, db.Options{}).Pool().Config()
		if got := [2]time.Duration{c.MaxConnLifetime, c.MaxConnLifetimeJitter}; got != want {
			t.Errorf("%q: %v, not %v", params, got, want)
		}
	}
}

// The locks of a node that hangs become free; what takes its time on purpose goes on.
func TestATransactionThatStandsStillIsEnded(t *testing.T) {
	const setting = "idle_in_transaction_session_timeout"
	url, ctx := testdb.Postgres(t), t.Context()
	allowed := func(d *db.DB) (text string) {
		if err := d.QueryRow(ctx, "SHOW "+setting).Scan(&text); err != nil {
			t.Error(err)
		}
		return text
	}
	if got := allowed(dbtest.Open(t, url, db.Options{})); got != "3s" {
		t.Errorf("allowed are %q", got)
	}
	d := dbtest.Open(t, url+"&"+setting+"=1000", db.Options{})
	if got := allowed(d); got != "1s" {
		t.Errorf("allowed are %q and not what the URL says", got)
	}
	alive := func(pid int) (there bool) {
		if err := d.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1)", pid).Scan(&there); err != nil {
			t.Error(err)
		}
		return there
	}
	var pid int
	err := d.Tx(ctx, func(tx *db.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			return err
		}
		testwait.Until(t, "its session is ended", func() bool { return !alive(pid) })
		return tx.QueryRow(ctx, "SELECT 1").Scan(new(int))
	})
	if fault.CodeOf(err) != "store_unavailable" {
		t.Errorf("%v", err)
	}
	err = d.Snapshot(ctx, func(tx *db.Tx) error {
		<-time.After(2500 * time.Millisecond)
		return tx.QueryRow(ctx, "SELECT 1").Scan(new(int))
	})
	if err != nil {
		t.Errorf("a snapshot: %v", err)
	}
}

// What was sent by a connection that the network has forgotten is never answered.
func TestForgottenConnectionsAreGivenUp(t *testing.T) {
	line := dbtest.OpenLine(t, testdb.Postgres(t))
	d, err := db.Open(t.Context(), line.URL, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 { // each on a connection of its own
		all.Go(func() {
			if err := d.QueryRow(t.Context(), "SELECT pg_sleep(0.2)").Scan(new(any)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	line.Forget()
	<-time.After(1500 * time.Millisecond) // those that were used in the last second are trusted
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := d.QueryRow(ctx, "SELECT 1").Scan(new(int)); err != nil {
		t.Error(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	if err := testwait.Receive(t, closed); err != nil {
		t.Error(err)
	}
}

func TestOpenSaysWhatToMend(t *testing.T) {
	const secret = "s3cr3t-Pa55"
	pg := testdb.Postgres(t)
	withPassword := func(url string) string {
		before, after, _ := strings.Cut(url, "@")
		return before[:strings.LastIndexByte(before, ':')+1] + secret + "@" + after
	}
	missing := pg[:strings.LastIndexByte(pg, '/')] + "/no_such_database?sslmode=disable"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ url, code, mentions string }{
		"wrong password":      {withPassword(pg), "store_auth", "check user and password"},
		"missing database":    {missing, "store_missing", "CREATE DATABASE"},
		"nobody listens":      {"postgres://u:" + secret + "@127.0.0.1:1/x", "store_unavailable", "127.0.0.1:1"},
		"bad port":            {"postgres://u:" + secret + "@127.0.0.1:port/x", "store_url", "percent-encode"},
		"unencoded password":  {"postgres://u:" + secret + "%zz@h/x", "store_url", "percent-encode"},
		"other database":      {"mysql://u:" + secret + "@h/x", "store_url", "postgres://"},
		"no URL":              {secret, "store_url", "sqlite:///"},
		"two slashes":         {"sqlite://var/x.db", "store_url", "three slashes"},
		"a number sign":       {"sqlite:///var/x#y.db", "store_url", "%23"},
		"folder":              {"sqlite:///tmp/", "store_url", "three slashes"},
		"below a file":        {"sqlite://" + file + "/x.db", "store_unavailable", "--store"},
		"a folder as a file":  {"sqlite://" + filepath.Dir(file), "store_unavailable", "--store"},
		"not a SQLite file":   {"sqlite:///etc/passwd", "store_unavailable", "/etc/passwd"},
		"parameters (unused)": {"sqlite:///tmp/x.db?mode=ro", "store_url", "three slashes"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := db.Open(t.Context(), c.url, db.Options{})
			if err == nil {
				_, err = d.Migrate(t.Context())
				d.Close()
			}
			if err == nil || fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.mentions) {
				t.Errorf("code %q: %v", fault.CodeOf(err), err)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}

// Transactions that are called off at any instant leave the pool in order.
func TestTxIsCalledOffAtAnyInstant(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for i := range 50 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*40)*time.Microsecond)
					err := d.Tx(ctx, func(tx *db.Tx) error {
						for range 3 {
							var n int
							if err := tx.QueryRow(ctx, "SELECT count(*) FROM crons").Scan(&n); err != nil {
								return err
							}
							if _, err := tx.Exec(ctx, "UPDATE crons SET name = $1", strings.Repeat("x", worker)); err != nil {
								return err
							}
						}
						return nil
					})
					cancel()
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("worker %d: %v", worker, err)
					}
				}
			})
		}
		wg.Wait()
		if err := d.Tx(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(t.Context(), "SELECT 1").Scan(new(int)) }); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullDiskIsToldUntilThereIsRoom(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "store.db"), db.Options{})
	ctx := t.Context()
	limit := func(pages int) {
		t.Helper()
		if _, err := d.Writer().ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	write := func() error {
		return d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO crons (application_id, slug, name, kind, created_at, updated_at) VALUES (1, $1, $2, 'sync', 0, 0)",
				fmt.Sprint(tx.Now().UnixNano()), strings.Repeat("x", 1<<20))
			return err
		})
	}
	limit(1) // not a page more than there are
	if err := write(); fault.CodeOf(err) != "store_full" || !strings.Contains(err.Error(), "store.db") {
		t.Errorf("write: %v", err)
	}
	if err := d.Ping(ctx); fault.CodeOf(err) != "store_full" {
		t.Errorf("ping: %v", err)
	}
	limit(1 << 20)
	if err := errors.Join(write(), d.Ping(ctx)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
