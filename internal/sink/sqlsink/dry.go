package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// Difference is a row of which the target holds something else than the source.
type Difference struct {
	Table   string   `json:"table"`
	Key     string   `json:"key"`               // as in a dead letter
	Kind    string   `json:"kind"`              // Missing, Different or Extra
	Columns []string `json:"columns,omitempty"` // those that differ, by their names in pipeline.Table
}

// The kinds of differences.
const (
	Missing   = "missing"   // the source has the row, the target does not
	Different = "different" // both have it
	Extra     = "extra"     // the row has gone at the source, as a scope says
)

// Dry is a sink that compares instead of writing: it makes, changes and locks
// nothing. Cursor is the stored one. Write tells what a real Write of the batch would
// land, and calls observe, which may be nil, for each row that differs.
//
// Each change is compared with what the target holds: what changes before it would
// have done does not count. What only the database knows of is not foreseen: foreign
// keys, checks, triggers, further unique indexes and keys that a collation takes for
// the same. Types that the sink has no notion of, such as JSON, are compared as text.
func (s *Sink) Dry(observe func(Difference)) pipeline.Sink {
	return &drySink{sink: s, observe: observe}
}

type drySink struct {
	sink    *Sink
	observe func(Difference)
}

func (d *drySink) Cursor(ctx context.Context) (pipeline.Cursor, error) {
	row, err := d.sink.Get(ctx, stateTable(), d.sink.pipeline)
	if fault.KindOf(err) == fault.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return pipeline.Cursor(row[1].(string)), nil
}

func (d *drySink) Write(ctx context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	s := d.sink
	s.writing.Lock()
	defer s.writing.Unlock()
	defer s.scratch.release()
	var r *rehearsal
	err := s.persist(ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
		r, err = s.rehearse(ctx, conn, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	if d.observe != nil {
		for _, difference := range r.differences {
			d.observe(difference)
		}
	}
	return r.tx.landed, nil
}

// rehearsal is a batch that is compared.
type rehearsal struct {
	sink        *Sink
	tx          *transaction
	plans       map[*pipeline.Table]*plan
	differences []Difference
}

func (s *Sink) rehearse(ctx context.Context, conn *sql.Conn, b pipeline.Batch) (*rehearsal, error) {
	if s.plans == nil {
		if err := s.dialect.greet(ctx, conn); err != nil {
			return nil, err
		}
	}
	sqlTx, err := s.beginReading(ctx, conn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sqlTx.Rollback() }() // it has changed nothing
	tx := &transaction{Tx: sqlTx, conn: conn, now: s.now().UTC(), whole: b.Whole}
	r := &rehearsal{sink: s, tx: tx, plans: map[*pipeline.Table]*plan{}}
	for i := range b.Changes {
		if err := r.change(ctx, &b.Changes[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *rehearsal) change(ctx context.Context, c *pipeline.Change) error {
	start, s := time.Now(), r.sink
	p, err := r.plan(ctx, c.Table)
	if err != nil {
		return err
	}
	s.scratch.index(p, c.Rows)
	count := pipeline.TableCount{Table: p.table.Name}
	if count.Deleted, err = r.delete(ctx, p, c.Scope); err != nil {
		return s.explain(ctx, "read", p.table.Name, err)
	}
	if err := s.rejectUnmade(r.tx, p, c.Rejected, &count); err != nil {
		return err
	}
	err = s.upsert(ctx, r.tx, p, c.Rows, &count, func(row []any, keyed bool, reason error) error {
		count.Rejected++
		return s.reject(r.tx, p, row, keyed, "written to", reason)
	})
	if err != nil {
		return s.explain(ctx, "read", p.table.Name, err)
	}
	count.Unchanged = count.Read - count.Written - count.Rejected
	count.Micros = time.Since(start).Microseconds()
	r.tx.count(p.table.Name).Add(count)
	return nil
}

// delete finds what a scope says has gone.
func (r *rehearsal) delete(ctx context.Context, p *plan, scope *pipeline.Scope) (int64, error) {
	compare := p.upserter.(*comparer)
	if !compare.there {
		return 0, nil
	}
	gone, err := r.sink.findStale(ctx, r.tx, p, scope)
	if err != nil {
		return 0, err
	}
	for _, row := range gone.rows {
		r.tell(p, p.spread(row, gone.places), Extra, nil)
	}
	return int64(len(gone.rows)), nil
}

func (r *rehearsal) tell(p *plan, row []any, kind string, columns []string) {
	r.differences = append(r.differences, Difference{Table: p.table.Name, Key: p.rowKey(row), Kind: kind, Columns: columns})
}

// plan looks at a table anew for each batch: a real Write may have changed it.
func (r *rehearsal) plan(ctx context.Context, t *pipeline.Table) (*plan, error) {
	s := r.sink
	if t == nil {
		return s.plan(t)
	}
	if p := r.plans[t]; p != nil {
		return p, nil
	}
	if err := checkTable(s.dialect.traits(), t, s.adapts(t)); err != nil {
		return nil, err
	}
	p, missing, err := s.planOf(ctx, r.tx, t)
	if err != nil {
		return nil, err
	}
	if missing {
		p = s.planToBe(t)
	}
	p.dry = true
	p.upserter = &comparer{rehearsal: r, plan: p, there: !missing}
	r.plans[t] = p
	return p, nil
}

// planToBe is the plan of a table that a writing sink would make.
func (s *Sink) planToBe(t *pipeline.Table) *plan {
	p := &plan{table: t, width: len(t.Columns), key: t.KeyIndexes(), chunk: s.dialect.chunk()}
	for _, c := range t.Columns {
		p.columns = append(p.columns, column{
			existing: existing{name: c.Name, scale: unbounded}, typ: c.Type, required: c.Required, absent: true,
			adapts: s.adapts(t), layout: s.dialect.traits().timeLayout,
		})
	}
	for _, k := range p.key {
		p.columns[k].key = true
	}
	return p
}

// value is a value as it is handed to the database.
func (p *plan) value(i int, v any) (any, error) {
	c := &p.columns[i]
	given, err := c.value(v)
	if !p.dry || err == nil {
		return given, err
	}
	if _, ok := errors.AsType[*narrow](err); !ok {
		return nil, err
	}
	if c.key {
		return clean(plainText(v)), nil // no row has it as yet
	}
	return unheld{}, nil
}
