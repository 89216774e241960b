package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/testwait"
)

// runMany has executions of a cron run, and gives the id of the first.
func runMany(t *testing.T, d *db.DB, cron ledger.Cron, n int) (first int64) {
	t.Helper()
	exec(t, d, `INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at)
		SELECT c.id, c.application_id, 'running', 'http', 'host', $1 FROM crons c, `+numbered(n)+" WHERE c.id = $2", db.Time{Time: d.Now()}, cron.ID)
	if err := d.QueryRow(t.Context(), "SELECT min(id) FROM executions WHERE cron_id = $1", cron.ID).Scan(&first); err != nil {
		t.Fatal(err)
	}
	return first
}

// cancelled counts the executions of a cron that do not run.
func cancelled(t *testing.T, d *db.DB, cron ledger.Cron) (n int) {
	t.Helper()
	err := d.QueryRow(t.Context(), "SELECT count(*) FROM executions WHERE cron_id = $1 AND status = 'cancelled' AND reason = 'released'", cron.ID).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReleaseAllIsNotLimited(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		job, other := create(t, l, 1, "job", nil), create(t, l, 1, "other", nil)
		runMany(t, d, job, 250)
		runMany(t, d, other, 1)
		if n, err := l.ReleaseAll(t.Context(), 1, bySlug("job"), "it hangs"); n != 250 || err != nil {
			t.Errorf("released %d, %v", n, err)
		}
		if n := cancelled(t, d, job) + cancelled(t, d, other); n != 250 {
			t.Errorf("%d are released", n)
		}
	})
}

// What was released before an error stays released, and is counted.
func TestReleaseAllTellsHowFarItCame(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		job := create(t, l, 1, "job", nil)
		first := runMany(t, d, job, 250)
		broken := `CREATE TRIGGER broken BEFORE UPDATE ON executions WHEN NEW.detail = 'it hangs' AND NEW.id % 150 = (SELECT min(id) - 1 FROM executions) % 150
			BEGIN SELECT RAISE(ABORT, 'broken'); END`
		if d.Dialect() == db.Postgres {
			broken = `CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF NEW.detail = 'it hangs' AND NEW.id % 150 = (SELECT min(id) - 1 FROM executions) % 150 THEN RAISE EXCEPTION 'broken'; END IF; RETURN NEW; END $$;
				CREATE TRIGGER broken BEFORE UPDATE ON executions FOR EACH ROW EXECUTE FUNCTION broken()`
		}
		for statement := range strings.SplitSeq(broken, ";\n") {
			exec(t, d, statement)
		}
		n, err := l.ReleaseAll(t.Context(), 1, bySlug("job"), "it hangs")
		f, _ := errors.AsType[*fault.Error](err)
		if f == nil || f.Detail != "100 executions were released before it failed" || n != 100 || cancelled(t, d, job) != n {
			t.Fatalf("the %dth of them cannot be: released are %d and said to be %d, %v", 150-first, cancelled(t, d, job), n, err)
		}
		exec(t, d, "DROP TRIGGER broken"+map[db.Dialect]string{db.Postgres: " ON executions"}[d.Dialect()])
		if n, err := l.ReleaseAll(t.Context(), 1, bySlug("job"), "it hangs"); n != 150 || err != nil {
			t.Errorf("then released %d, %v", n, err)
		}
	})
}

// Whoever calls it off learns what had been done by then, and no more is done.
func TestReleaseAllCanBeCalledOff(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		job := create(t, l, 1, "job", nil)
		runMany(t, d, job, 250)
		held := dbtest.HoldTurn(t, d, job.ID)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		type end struct {
			n   int
			err error
		}
		ended := make(chan end, 1)
		go func() {
			n, err := l.ReleaseAll(ctx, 1, bySlug("job"), "it hangs")
			ended <- end{n, err}
		}()
		dbtest.AwaitLine(t, d, 1)
		leave()
		held()
		got := testwait.Receive(t, ended)
		if !errors.Is(got.err, context.Canceled) || fault.KindOf(got.err) != fault.Canceled || got.n != 100 || cancelled(t, d, job) != got.n {
			t.Errorf("released are %d, and said to be %d, %v", cancelled(t, d, job), got.n, got.err)
		}
	})
}
