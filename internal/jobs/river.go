package jobs

import (
	"context"
	"database/sql"
	"log/slog"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"riverqueue.com/riverui/uiendpoints"

	"ferryman/internal/db"
)

// client hides which kind of transaction River's client is made for.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	insert(ctx context.Context, tx *db.Tx, args Args, opts *river.InsertOpts) (added bool, err error)
	endpoints() uiendpoints.Bundle // of River's own pages
}

type riverClient[TTx any] struct {
	*river.Client[TTx]
	tx func(*db.Tx) TTx
}

func (c riverClient[TTx]) insert(ctx context.Context, tx *db.Tx, args Args, opts *river.InsertOpts) (bool, error) {
	res, err := c.InsertTx(ctx, c.tx(tx), args, opts)
	if err != nil {
		return false, err
	}
	return !res.UniqueSkippedAsDuplicate, nil
}

func newClient(d *db.DB, cfg *river.Config) (client, error) {
	if d.Dialect() == db.Postgres {
		c, err := river.NewClient(riverpgxv5.New(d.Pool()), cfg)
		return riverClient[pgx.Tx]{c, (*db.Tx).PGX}, err
	}
	c, err := river.NewClient(riversqlite.New(d.Writer()), cfg)
	return riverClient[*sql.Tx]{c, (*db.Tx).SQL}, err
}

func (e *Engine) riverConfig() *river.Config {
	// How long a job waits at most. On SQLite nothing tells that there is one, and
	// each look costs about a millisecond: an idle server should idle. PostgreSQL
	// notifies; looking is for jobs that come again later.
	poll := 500 * time.Millisecond
	if e.db.Dialect() == db.SQLite {
		poll = 200 * time.Millisecond
	}
	return &river.Config{
		ID:                e.node,
		Workers:           e.workers,
		Queues:            e.queues,
		FetchCooldown:     20 * time.Millisecond,
		FetchPollInterval: poll,
		PollOnly:          e.db.Dialect() == db.SQLite,
		// Handlers have their own limits, and a job's age says nothing about
		// whether its node lives: recover.go finds that out.
		JobTimeout:           -1,
		RescueStuckJobsAfter: 10 * 365 * 24 * time.Hour,
		RetryPolicy:          patient{},
		ReindexerSchedule:    never{},
		Logger:               e.riverLogger(),
	}
}

// patient retries for ever and often: what fails here is the store or a node that
// does not know a sync yet, not the work, whose failures are the ledger's.
type patient struct{}

func (patient) NextRetry(job *rivertype.JobRow) time.Time {
	const longest = 10 * time.Second
	return time.Now().Add(min(time.Duration(job.Attempt)*time.Second, longest))
}

// attempts is as many as River can count.
const attempts = math.MaxInt16

// never is a schedule that stays in the future: reindexing locks out the only
// writer on SQLite, and the job table is small.
type never struct{}

func (never) Next(t time.Time) time.Time { return t.AddDate(100, 0, 0) }

// riverLogger passes on what an operator may have to act on.
func (e *Engine) riverLogger() *slog.Logger {
	return slog.New(newSparing(e.log.Handler(), slog.LevelWarn, true))
}

type worker[A Args] struct {
	river.WorkerDefaults[A]
	e       *Engine
	handler func(ctx context.Context, job Job[A]) error
}

// Work implements river.Worker.
func (w *worker[A]) Work(ctx context.Context, row *river.Job[A]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	here := place{row.ID, row.Attempt}
	w.e.track(here, cancel)
	defer w.e.untrack(here)

	err := w.handler(ctx, Job[A]{Args: row.Args, done: func(ctx context.Context, tx *db.Tx) error {
		return complete(ctx, w.e.db.Dialect(), tx, row)
	}})
	if err != nil && ctx.Err() != nil && w.e.stopping() {
		return river.JobSnooze(0) // hand it back: another node, or the next start, goes on at once
	}
	return err
}

func complete[A Args](ctx context.Context, dialect db.Dialect, tx *db.Tx, row *river.Job[A]) error {
	var done *river.Job[A]
	var err error
	if dialect == db.Postgres {
		done, err = river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx.PGX(), row)
	} else {
		done, err = river.JobCompleteTx[*riversqlite.Driver](ctx, tx.SQL(), row)
	}
	if err != nil {
		return err
	}
	// River goes by the job's id alone. A job that others took over has another
	// state, or has been fetched once more.
	if done.State != rivertype.JobStateCompleted || done.Attempt != row.Attempt {
		return ErrLost
	}
	return nil
}

func (e *Engine) track(here place, cancel context.CancelCauseFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[here] = cancel
}

func (e *Engine) untrack(here place) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, here)
}

func (e *Engine) stopping() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.halting
}

// Migrate brings the engine's tables up to date; give it to db.Migrate.
func Migrate(ctx context.Context, d *db.DB) error {
	if d.Dialect() == db.Postgres {
		return migrate(ctx, d, riverpgxv5.New(d.Pool()))
	}
	return migrate(ctx, d, riversqlite.New(d.Writer()))
}

func migrate[TTx any](ctx context.Context, d *db.DB, driver riverdriver.Driver[TTx]) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	all := m.AllVersions()
	newest := all[len(all)-1].Version
	// River's own reading of the versions fails, obscurely, on one that it does
	// not know. Where its table is not there yet, so does this, and at stays 0.
	var at int
	_ = d.QueryRow(ctx, "SELECT max(version) FROM river_migration WHERE line = 'main'").Scan(&at)
	if at > newest {
		return db.SchemaNewer("the job engine's schema", at, newest)
	}
	if at == newest {
		return nil
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}
