package sqlsink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// Write makes b durable in one transaction, with its cursor, and reports what it
// took, a count a table. After an error nothing of b has landed, or, where only
// the answer to the commit was lost, all of it; it may be written again either way.
//
// A batch that lost against other transactions is tried again a few times. Then,
// and for whatever else may pass, the fault is temporary. A target whose cursor
// another writer has moved is a fault.Conflict if b moves the cursor, too.
func (s *Sink) Write(ctx context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	defer s.scratch.release()

	defer s.nameSystem(ctx)
	since, careful, round := time.Now(), false, 1
	for attempt := 1; ; attempt++ {
		landed, err := s.attempt(ctx, b, careful, round > mostRounds)
		if err == nil {
			return landed, nil
		}
		if adjusted, err := s.adjust(ctx, b, err, round); err != nil {
			return nil, s.explain(ctx, "write to", "", err)
		} else if adjusted {
			round++
			continue
		}
		class := s.dialect.diagnose(err).class
		if class == mismatched {
			s.plans = nil // the tables are not what they were: look again next time
		}
		switch {
		case class == refused && !careful && ctx.Err() == nil:
			careful = true
		case !s.again(ctx, err, attempt, since):
			return nil, s.explain(ctx, "write to", "", err)
		}
	}
}

// nameSystem tells the span of ctx what the target is, which the server has said by then.
func (s *Sink) nameSystem(ctx context.Context) {
	if here := trace.SpanFromContext(ctx); here.IsRecording() {
		here.SetAttributes(semconv.DBSystemNameKey.String(s.dialect.traits().system))
	}
}

// transaction is one attempt to write a batch.
type transaction struct {
	*sql.Tx
	conn *sql.Conn // the connection that Tx is on
	now  time.Time // one clock for the whole batch

	// careful has each statement on rows guarded by a savepoint, so that a row that
	// the target refuses can be found. It is off until a row was refused.
	careful bool
	whole   bool
	settled bool // what a column is too narrow for is refused; else it ends the attempt

	seen *sighting // of the change in hand; may be nil

	broken bool // the connection is of no more use

	landed   pipeline.Landed
	letters  []letter            // of this batch
	standing map[string]standing // dead letters of earlier batches, by table
}

func (tx *transaction) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// count is the entry of a table in what has landed.
func (tx *transaction) count(table string) *pipeline.TableCount {
	i := slices.IndexFunc(tx.landed, func(c pipeline.TableCount) bool { return c.Table == table })
	if i < 0 {
		i = len(tx.landed)
		tx.landed = append(tx.landed, pipeline.TableCount{Table: table})
	}
	return &tx.landed[i]
}

func (s *Sink) attempt(ctx context.Context, b pipeline.Batch, careful, settled bool) (landed pipeline.Landed, err error) {
	err = s.onConn(ctx, func(ctx context.Context, conn *sql.Conn) error {
		if err := s.prepare(ctx, conn); err != nil {
			return err
		}
		if err := s.grow(ctx, conn, b); err != nil {
			return err
		}
		txCtx, abandon := context.WithCancel(ctx)
		defer abandon()
		sqlTx, err := conn.BeginTx(txCtx, nil)
		if err != nil {
			return err
		}
		tx := &transaction{Tx: sqlTx, conn: conn, now: s.now().UTC().Truncate(time.Microsecond), careful: careful, whole: b.Whole, settled: settled}
		if err := s.fill(ctx, tx, b); err != nil {
			if tx.broken {
				abandon() // the rollback would wait for an answer
			}
			// The reason is err; a rollback that fails too ends the connection.
			_ = tx.Rollback()
			tx.discard()
			return err
		}
		defer tx.discard()
		if err := s.commit(ctx, tx, b.Next); err != nil {
			return err
		}
		landed = tx.landed
		return nil
	})
	return landed, err
}

// discard keeps others from the connection of a transaction that has ended, if it is
// of no more use.
func (tx *transaction) discard() {
	if tx.broken {
		_ = tx.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// fill does everything of a batch up to the commit.
func (s *Sink) fill(ctx context.Context, tx *transaction, b pipeline.Batch) error {
	tr := s.dialect.traits()
	begin := []string{tr.begin}
	if tx.careful {
		begin = append(begin, tr.beginCareful)
	}
	for _, statement := range begin {
		if statement == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if b.Next != "" {
		if err := s.move(ctx, tx, b.Next); err != nil {
			return err
		}
	}
	if err := s.findLetters(ctx, tx, b); err != nil {
		return err
	}
	for i := range b.Changes {
		p, err := s.plan(b.Changes[i].Table)
		if err != nil {
			return err
		}
		if err := s.change(ctx, tx, p, &b.Changes[i]); err != nil {
			return s.explain(ctx, "write to", p.table.Name, err)
		}
	}
	return s.keepLetters(ctx, tx)
}

// errUnconfirmed marks a commit whose answer was lost.
var errUnconfirmed = errors.New("the commit was not confirmed")

func (s *Sink) commit(ctx context.Context, tx *transaction, next pipeline.Cursor) error {
	err := tx.Commit()
	if err == nil {
		if next != "" {
			s.place.cursor, s.place.doubtful = next, ""
		}
		return nil
	}
	switch s.dialect.diagnose(err).class {
	case lost, unreachable, unknown:
	default:
		return s.explain(ctx, "write to", "", err) // the database has answered, with a no
	}
	s.place.doubtful = next
	if ctx.Err() != nil {
		return s.explain(ctx, "write to", "", err)
	}
	return &fault.Error{
		Kind: fault.Unavailable, Code: "target_unreachable",
		Detail: fmt.Sprintf("the connection to %s broke at the end of a batch", s.dialect),
		Hint:   "it is safe to write the batch again",
		Err:    fmt.Errorf("%w: %w", errUnconfirmed, err),
	}
}
