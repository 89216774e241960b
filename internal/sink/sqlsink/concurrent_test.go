package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// Several processes that start together make each table once.
func TestPrepareTogether(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		parent := table(pipeline.Column{Name: "a", Type: pipeline.Text})
		child := &pipeline.Table{Name: "child", Key: []string{"id"},
			Columns:    []pipeline.Column{{Name: "id", Type: pipeline.Text}, {Name: "t_id", Type: pipeline.Integer}},
			References: []pipeline.Reference{{Column: "t_id", Table: "t", Key: "id"}}}
		for _, columns := range [][]pipeline.Column{nil, {{Name: "b", Type: pipeline.Text}, {Name: "c", Type: pipeline.Boolean}}} {
			parent.Columns = append(parent.Columns, columns...)
			var group sync.WaitGroup
			for range 6 {
				s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{parent, child}})
				group.Go(func() {
					if err := s.Prepare(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		}
	})
}

// Reading needs no turn.
func TestListWhilePreparing(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
		var group sync.WaitGroup
		for _, use := range []func() error{
			func() error { return s.Prepare(t.Context()) },
			func() error { _, err := s.Write(t.Context(), pipeline.Batch{Next: "x"}); return err },
			func() error { _, err := s.List(t.Context(), table(), nil, 1); return err },
			func() error { _, err := s.List(t.Context(), DeadLetters(), nil, 1); return err },
		} {
			group.Go(func() {
				if err := use(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}

// Two pipelines that write the same rows in opposite order win by turns.
func TestContention(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		a, b := table(pipeline.Column{Name: "v", Type: pipeline.Integer}), table(pipeline.Column{Name: "v", Type: pipeline.Integer})
		b.Name = "u"
		var group sync.WaitGroup
		for writer := range 3 {
			s := openSink(t, url, Options{Pipeline: fmt.Sprint("p", writer), Tables: []*pipeline.Table{a, b}})
			group.Go(func() {
				for i := range int64(15) {
					first := pipeline.Change{Table: a, Rows: [][]any{{int64(1), i}, {int64(2), i}}}
					second := pipeline.Change{Table: b, Rows: [][]any{{int64(1), i}, {int64(2), i}}}
					if writer%2 == 1 {
						first, second = second, first
					}
					if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{first, second}, Next: pipeline.Cursor(fmt.Sprint(i))}); err != nil {
						t.Errorf("writer %d: %v", writer, err)
						return
					}
				}
			})
		}
		group.Wait()
	})
}

// lock holds a row, or the whole of a SQLite file, until the test ends or the
// function it returns is called.
func lock(t *testing.T, db *sql.DB) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE t SET v = 99 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	release := func() {
		once.Do(func() {
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
			cancel()
		})
	}
	t.Cleanup(release)
	return release
}

func one(v int64) pipeline.Batch {
	return pipeline.Batch{Next: pipeline.Cursor(fmt.Sprint(v)),
		Changes: []pipeline.Change{{Table: table(pipeline.Column{Name: "v", Type: pipeline.Integer}), Rows: [][]any{{int64(1), v}}}}}
}

func lockable(t *testing.T, url string) *Sink {
	t.Helper()
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{one(0).Changes[0].Table}})
	if _, err := s.Write(t.Context(), one(1)); err != nil {
		t.Fatal(err)
	}
	return s
}

// A write that waits for a lock ends when its context does, and the sink goes on.
func TestCancelledWhileWaiting(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		s := lockable(t, url)
		release := lock(t, connect(t, url))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := s.Write(ctx, one(2))
		if !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Timeout {
			t.Errorf("got %v", err)
		}
		release()
		landed, err := s.Write(t.Context(), one(2))
		if err != nil || landed[0].Written != 1 {
			t.Errorf("landed %+v, %v", landed, err)
		}
	})
}

// SQLite has one writer; a second one waits for it, and gives up in the end.
func TestSQLiteBusy(t *testing.T) {
	url := targets[0].url(t)
	s := lockable(t, url)
	release := lock(t, connect(t, url))
	s.patience = time.Millisecond
	_, err := s.Write(t.Context(), one(2))
	checkFault(t, err, fault.Unavailable, "target_busy", "SQLite file")
	if !fault.Temporary(err) {
		t.Error("not worth a retry?")
	}
	s.patience = patience
	time.AfterFunc(150*time.Millisecond, release)
	if _, err := s.Write(t.Context(), one(2)); err != nil {
		t.Errorf("it did not wait: %v", err)
	}
}

// A SQLite file that is held for a moment, as the first one to open it does, is waited
// for by those who read.
func TestReadingWaitsForSQLite(t *testing.T) {
	for name, read := range map[string]func(*Sink) error{
		"list":    func(s *Sink) error { _, err := s.List(t.Context(), table(), nil, 1); return err },
		"pick":    func(s *Sink) error { _, err := s.Pick(t.Context(), table(), nil, []any{int64(1)}); return err },
		"count":   func(s *Sink) error { _, err := s.Count(t.Context(), table()); return err },
		"letters": func(s *Sink) error { _, err := s.Letters(t.Context(), Letter{}, 1); return err },
	} {
		t.Run(name, func(t *testing.T) {
			url := targets[0].url(t)
			if err := lockable(t, url).Close(); err != nil { // else it would keep the file from being held
				t.Fatal(err)
			}
			holder := connect(t, url)
			holder.SetMaxOpenConns(1)
			if _, err := holder.Exec("PRAGMA locking_mode = EXCLUSIVE"); err != nil {
				t.Fatal(err)
			}
			release := lock(t, holder)
			s := openSink(t, url, Options{Pipeline: "q", Tables: []*pipeline.Table{table()}})
			s.patience = time.Millisecond
			checkFault(t, read(s), fault.Unavailable, "target_busy", "SQLite file")
			s.patience = patience
			time.AfterFunc(150*time.Millisecond, func() { release(); _ = holder.Close() })
			if err := read(s); err != nil {
				t.Errorf("it did not wait: %v", err)
			}
		})
	}
}

var killAll = map[string]string{
	"postgres": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
	"mariadb":  "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
}

func killConnections(t *testing.T, name string, db *sql.DB) {
	t.Helper()
	db.SetMaxOpenConns(1) // spares its own
	rows, err := db.Query(killAll[name])
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var kills []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		if name == "mariadb" {
			kills = append(kills, "KILL "+id)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	rows.Close()
	for _, kill := range kills {
		const gone = 1094 // meanwhile
		var e *mysqldriver.MySQLError
		if _, err := db.ExecContext(t.Context(), kill); err != nil && !(errors.As(err, &e) && e.Number == gone) {
			t.Fatal(err)
		}
	}
}

// Connections that the server ended while they were idle do no harm.
func TestConnectionsKilledBetweenBatches(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			s := lockable(t, url)
			db := connect(t, url)
			for v := range int64(3) {
				killConnections(t, target.name, db)
				if _, err := s.Write(t.Context(), one(v+2)); err != nil {
					t.Errorf("batch %d: %v", v, err)
				}
				killConnections(t, target.name, db)
				if c, err := s.Cursor(t.Context()); err != nil || c != one(v+2).Next {
					t.Errorf("cursor %q, %v", c, err)
				}
			}
		})
	}
}

// One that is ended within a batch has it written again on another.
func TestConnectionKilledWithinBatch(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			s := lockable(t, url)
			admin := connect(t, url)
			killer := connect(t, url)
			release := lock(t, admin)
			written := make(chan error, 1)
			go func() {
				_, err := s.Write(t.Context(), one(2))
				written <- err
			}()
			waiting := map[string]string{
				"postgres": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
				"mariadb":  "SELECT id FROM information_schema.processlist WHERE db = database() AND info LIKE 'INSERT INTO `t`%'",
			}[target.name]
			var id string
			look := time.NewTicker(5 * time.Millisecond)
			defer look.Stop()
			limit, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for id == "" {
				select {
				case <-limit.Done():
					t.Fatal("the write never waits for the lock")
				case <-look.C:
				}
				if err := killer.QueryRow(waiting).Scan(&id); err != nil && !errors.Is(err, sql.ErrNoRows) {
					t.Fatal(err)
				}
			}
			if target.name == "mariadb" {
				exec(t, killer, "KILL "+id)
			}
			release()
			if err := <-written; err != nil {
				t.Error(err)
			}
			if c, err := s.Cursor(t.Context()); err != nil || c != "2" {
				t.Errorf("cursor %q, %v", c, err)
			}
		})
	}
}

// After the answer to a commit was lost, the batch may be written again, whether
// or not it had landed.
func TestLostCommit(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		for _, landed := range []bool{true, false} {
			s := openSink(t, url, Options{Pipeline: fmt.Sprint(landed), Tables: []*pipeline.Table{one(0).Changes[0].Table}})
			if _, err := s.Cursor(t.Context()); err != nil {
				t.Fatal(err)
			}
			for v := range int64(2) { // from no cursor, and from one
				before := s.place
				if landed {
					if _, err := s.Write(t.Context(), one(v)); err != nil {
						t.Fatal(err)
					}
				}
				s.place = place{known: true, cursor: before.cursor, doubtful: one(v).Next}
				if _, err := s.Write(t.Context(), one(v)); err != nil {
					t.Errorf("landed before: %v, batch %d: %v", landed, v, err)
				}
				if s.place != (place{known: true, cursor: one(v).Next}) {
					t.Errorf("place %+v", s.place)
				}
			}
		}
	})
}
