package sqlsink

import (
	"context"
	"database/sql"
	"errors"

	"ferryman/internal/pipeline"
)

const (
	// mostRounds bounds how often a batch changes the target. One round does, unless
	// others change it at the same time.
	mostRounds = 5
	// mostGrown bounds the plans of tables that have grown, beside those of one batch.
	mostGrown = 16
)

// adapts tells whether a table is changed to fit what comes for it; the sink's own
// are not.
func (s *Sink) adapts(t *pipeline.Table) bool {
	return s.adapt && t.Name != "ferryman_state" && t.Name != "ferryman_dead_letters"
}

// grow plans the tables of a batch whose columns are others than those planned for,
// and makes what is missing of them.
func (s *Sink) grow(ctx context.Context, conn *sql.Conn, b pipeline.Batch) error {
	if len(s.grown) > mostGrown {
		s.grown = nil
	}
	for i := range b.Changes {
		t := b.Changes[i].Table
		if t == nil || s.planned(t) != nil || s.plans[t.Name] == nil || !s.adapts(t) {
			continue // or it is for plan to say what is wrong
		}
		if err := checkTable(s.dialect.traits(), t, true); err != nil {
			return err
		}
		p, err := s.ensure(ctx, conn, t)
		if err != nil {
			return err
		}
		s.grown = append(s.grown, p)
	}
	return nil
}

// adjust answers the failure of a batch by making the target fit for it, or the
// plans for the target, and tells whether to write the batch again. It is asked
// once a round, from 1.
func (s *Sink) adjust(ctx context.Context, b pipeline.Batch, failure error, round int) (again bool, err error) {
	_, tooNarrow := errors.AsType[*narrow](failure)
	may := s.adapt && round <= mostRounds && ctx.Err() == nil
	switch {
	case may && tooNarrow:
		return true, s.widenFor(ctx, b)
	case may && s.plans != nil && s.dialect.diagnose(failure).class == mismatched:
		s.plans = nil // somebody else has changed the tables
		return true, nil
	default:
		return false, nil
	}
}

// widenFor widens all columns that are too narrow for a batch. When it is cut off,
// the columns are wider than they had to be as yet, and nothing else.
func (s *Sink) widenFor(ctx context.Context, b pipeline.Batch) error {
	return s.persist(ctx, func(ctx context.Context, conn *sql.Conn) error {
		s.plans = nil // somebody else may have widened them meanwhile
		if err := s.prepare(ctx, conn); err != nil {
			return err
		}
		if err := s.grow(ctx, conn, b); err != nil {
			return err
		}
		wanted := s.widenings(b)
		for _, w := range wanted {
			if err := s.widenColumn(ctx, conn, w); err != nil {
				return err
			}
		}
		if len(wanted) > 0 {
			s.plans = nil
		}
		return nil
	})
}

// widening is a column that is too narrow for a batch.
type widening struct {
	table  *pipeline.Table
	column *column
	need   need
}

// widenings are the columns that are too narrow, with the most that the batch needs.
func (s *Sink) widenings(b pipeline.Batch) []*widening {
	var wanted []*widening
	byName := map[[2]string]*widening{}
	for _, c := range b.Changes {
		if c.Table == nil {
			continue
		}
		p := s.planned(c.Table)
		if p == nil {
			continue
		}
		for _, row := range c.Rows {
			for i, v := range row[:min(len(row), p.width)] {
				_, err := p.columns[i].value(v)
				n, ok := errors.AsType[*narrow](err)
				if !ok {
					continue
				}
				place := [2]string{c.Table.Name, p.columns[i].name}
				if w := byName[place]; w != nil {
					w.need = w.need.both(n.need)
					continue
				}
				byName[place] = &widening{c.Table, &p.columns[i], n.need}
				wanted = append(wanted, byName[place])
			}
		}
	}
	return wanted
}

// widenColumn alters a column. Where the database does not do it, since a view or a
// constraint hangs on the column, say, the column stays as it is until the sink is
// opened again, and values that do not fit are refused. A right that is missing is
// another matter: somebody can give it, and rows by the thousand would be refused.
func (s *Sink) widenColumn(ctx context.Context, conn *sql.Conn, w *widening) error {
	table, name := w.table.Name, w.column.name
	statements := w.column.widening(w.need)
	if len(statements) == 0 {
		s.setRigid([2]string{table, name}) // what each value alone could have, all cannot
		return nil
	}
	err := s.define(ctx, conn, w.table, statements)
	if err == nil {
		s.log.InfoContext(ctx, "widened a column", "table", table, "column", name,
			"from", w.column.fullType(), "to", s.typeOf(ctx, conn, table, name))
		return nil
	}
	switch s.dialect.diagnose(err).class {
	case unknown, refused, mismatched, exists:
		if ctx.Err() != nil {
			return err
		}
		s.log.WarnContext(ctx, "a column can't be widened: rows that do not fit are refused",
			"table", table, "column", name, "type", w.column.fullType(), "err", err)
		s.setRigid([2]string{table, name})
		return nil
	default:
		return s.explainAlter(ctx, table, err)
	}
}

// explainAlter leaves alone what is tried again.
func (s *Sink) explainAlter(ctx context.Context, table string, err error) error {
	switch s.dialect.diagnose(err).class {
	case contended, busy, lost:
		return err
	default:
		return s.explain(ctx, "alter", table, err)
	}
}

// setRigid remembers what of the target can't be changed: a table and a column, or
// the columns of an index.
func (s *Sink) setRigid(place [2]string) {
	if s.rigid == nil {
		s.rigid = map[[2]string]bool{}
	}
	s.rigid[place] = true
}

func (e *existing) fullType() string {
	if e.referring != "" {
		return e.referring
	}
	return e.sqlType
}

// typeOf is a column's type as it is now, for the log; "" if that can't be told.
func (s *Sink) typeOf(ctx context.Context, conn *sql.Conn, table, name string) string {
	have, err := s.dialect.describe(ctx, conn, table)
	if err != nil || have == nil {
		return ""
	}
	if e := have.column(name, false); e != nil {
		return e.fullType()
	}
	return ""
}
