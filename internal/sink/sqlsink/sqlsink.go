// Package sqlsink writes batches to SQL databases: PostgreSQL, MySQL, MariaDB,
// SQLite and SQL Server.
//
// A batch lands in one transaction of the target together with the pipeline's
// cursor (table ferryman_state). Rows are upserted in bulk; a row that is there
// already and has not changed costs no write. Tables and columns that are
// missing are made, once; nothing is ever dropped or narrowed. A row that the
// target refuses goes to the table ferryman_dead_letters with the reason, in the
// same transaction, while the rest lands.
//
// Text is cleaned before it is written: U+0000 and invalid UTF-8 become U+FFFD.
// Times are kept in UTC to the microsecond, or to what an existing column holds.
// Equal numbers are unchanged however they are written (1.0 and 1.00), except on
// SQLite, which keeps decimals as text. In a table that a sink adapts it keeps them
// as numbers, but those that neither int64 nor float64 holds to the digit: they are
// a blob of their text.
//
// Errors are faults with one of these codes: target_url, target_unreachable,
// target_auth, target_database_missing, target_rights, target_version,
// target_schema, target_busy, target_full, target_refused_row,
// target_cursor_moved, target_failed. They name the target and the remedy, never
// the password.
package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// Options of Open.
type Options struct {
	Pipeline string            // the name under which cursor and dead letters are kept
	Tables   []*pipeline.Table // all that batches may hold, parents first
	Logger   *slog.Logger      // nil discards
	Now      func() time.Time  // nil is time.Now
	Conns    int               // most connections to the target at a time; 0 is 4

	// Adapt has the sink make the tables fit for what comes, where it would else
	// refuse it: columns are widened, even to text, for values that they cannot hold;
	// a table of a batch may have other columns than the one of that name in Tables;
	// columns whose names the database cannot take, or tell from each other, get names
	// of their own; and a key may have an index that confuses some keys, the rows of
	// which are refused one by one.
	Adapt bool
}

// Sink is a pipeline.Sink that writes to a SQL database, and reads it. Cursor and
// Write are for one caller at a time; List, Get, Pick, Keys and Count may be called at any time.
type Sink struct {
	pipeline string
	tables   []*pipeline.Table
	log      *slog.Logger
	now      func() time.Time
	patience time.Duration
	adapt    bool

	dialect dialect
	db      *sql.DB

	seen descriptions // by Pick; has a lock of its own

	writing sync.Mutex       // held by Cursor and Write; guards what follows
	plans   map[string]*plan // of the tables, nil when they have to be looked at
	grown   []*plan          // of tables of the same names with other columns
	rigid   map[[2]string]bool
	place   place
	scratch scratch
}

var _ pipeline.Sink = (*Sink)(nil)

// Open checks the URL and the tables and returns a sink that connects when it is
// first used, and again after the connection was lost: the target need not be up.
//
//	postgres://user:password@host:5432/database?sslmode=disable
//	mysql://user:password@host:3306/database?useSSL=false
//	sqlite:///absolute/path.db
//	sqlserver://user:password@host:1433/database
//
// A URL that it can't take is a fault with code target_url, tables that can't be
// made one with code target_schema. No error quotes the password.
func Open(rawURL string, opts Options) (*Sink, error) {
	d, db, err := open(rawURL)
	if err != nil {
		return nil, err
	}
	s := &Sink{
		pipeline: opts.Pipeline,
		tables:   append([]*pipeline.Table{stateTable(), DeadLetters()}, opts.Tables...),
		log:      opts.Logger,
		now:      opts.Now,
		patience: patience,
		adapt:    opts.Adapt,
		dialect:  d,
		db:       db,
	}
	if opts.Conns > 0 {
		db.SetMaxOpenConns(opts.Conns)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := checkTables(d, opts.Pipeline, s.tables, s.adapts); err != nil {
		db.Close()
		return nil, err
	}
	if warning := d.traits().warning; warning != "" {
		s.log.Warn("the target URL is not safe", "warning", warning, "target", d.String())
	}
	return s, nil
}

// Close gives the connections back. The sink is of no use afterwards.
func (s *Sink) Close() error {
	return s.db.Close()
}

// Ping looks whether the target answers and is one that can be used. It makes nothing,
// but for the file of a SQLite target that is not there.
func (s *Sink) Ping(ctx context.Context) error {
	return s.explain(ctx, "use", "", s.onConn(ctx, func(ctx context.Context, conn *sql.Conn) error { return s.dialect.greet(ctx, conn) }))
}

// Cursor is where the last durable batch said to resume; "" before the first. It
// makes the tables and columns that are missing, as Write does.
//
// From then on Write fails with fault.Conflict if another writer moves the cursor,
// for a batch that moves it itself: one without Batch.Next is written all the same.
func (s *Sink) Cursor(ctx context.Context) (pipeline.Cursor, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.seen.forget()
	if s.adapt {
		s.plans = nil // other sinks alter tables, too: each run looks at them anew
	}
	err := s.persist(ctx, func(ctx context.Context, conn *sql.Conn) error {
		if err := s.prepare(ctx, conn); err != nil {
			return err
		}
		return s.readPlace(ctx, conn)
	})
	if err != nil {
		return "", err
	}
	return s.place.cursor, nil
}

// persist runs f on a connection, again where that helps.
func (s *Sink) persist(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	since, planned := time.Now(), s.plans != nil
	for attempt := 1; ; attempt++ {
		err := s.onConn(ctx, f)
		if planned && s.dialect.diagnose(err).class == mismatched {
			s.plans, planned = nil, false // the tables are not what they were: look again
			continue
		}
		if err == nil || !s.again(ctx, err, attempt, since) {
			return s.explain(ctx, "use", "", err)
		}
	}
}

func (s *Sink) onConn(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(ctx, conn)
}

// prepare makes the plans of all tables, if there are none yet.
func (s *Sink) prepare(ctx context.Context, conn *sql.Conn) error {
	if s.plans != nil {
		return nil
	}
	s.grown = nil
	if err := s.dialect.greet(ctx, conn); err != nil {
		return err
	}
	plans := make(map[string]*plan, len(s.tables))
	for _, t := range s.tables {
		p, err := s.ensure(ctx, conn, t)
		if err != nil {
			return err
		}
		plans[t.Name] = p
	}
	if !s.place.known {
		s.plans = plans
		if err := s.readPlace(ctx, conn); err != nil {
			s.plans = nil
			return err
		}
	}
	s.plans = plans
	return nil
}

// plan finds what prepare made for a table.
func (s *Sink) plan(t *pipeline.Table) (*plan, error) {
	if t == nil {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "target_schema", Detail: "the batch holds a change without a table"}
	}
	p := s.planned(t)
	if p == nil {
		return nil, &fault.Error{
			Kind: fault.Invalid, Code: "target_schema",
			Detail: fmt.Sprintf("the batch holds table %q, which this sink was not opened for", t.Name),
			Hint:   "name all tables of the pipeline in Options.Tables",
		}
	}
	return p, nil
}

// planned is the plan of a table, or of one that is like it; nil if there is none.
func (s *Sink) planned(t *pipeline.Table) *plan {
	p := s.plans[t.Name]
	if p == nil || p.table == t || alike(p.table, t) {
		return p
	}
	for _, p := range s.grown {
		if p.table == t || p.table.Name == t.Name && alike(p.table, t) {
			return p
		}
	}
	return nil
}

func alike(a, b *pipeline.Table) bool {
	return slices.Equal(a.Columns, b.Columns) && slices.Equal(a.Key, b.Key) && slices.Equal(a.Stamps, b.Stamps)
}
