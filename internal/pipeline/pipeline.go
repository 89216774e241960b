// Package pipeline carries data from a source to a sink.
//
// A Source yields batches of changes after a cursor; a Sink makes each batch
// durable whole, together with the cursor that the batch carries. Run joins the
// two and counts what crossed. Work that was cut off is repeated from the last
// durable cursor: writing a batch again changes nothing.
package pipeline

import (
	"context"
	"iter"
)

// Cursor is a source's place in its own data. Only the source that made one can
// read it; "" is the beginning.
type Cursor string

// Batch lands whole, in one transaction of the target: a parent together with
// its children.
type Batch struct {
	Changes []Change // parents before children
	Next    Cursor   // resume here once the batch is durable; "" when there is no such place yet

	// Whole says that no row may be missing: a row that the target refuses fails
	// the batch. Otherwise such a row goes to the dead letters and the rest lands.
	Whole bool
}

// Change is rows of one table to insert, or to update where the key exists.
type Change struct {
	Table *Table
	Rows  [][]any // Rows[i][j] belongs to Table.Columns[j]; see Type for the Go types
	Scope *Scope  // nil deletes nothing

	// Rejected are rows that the source could not make. They go to the dead letters
	// with those that the target refuses, unless the batch is Whole.
	Rejected []Rejected
}

// Rejected is a row that a source could not make.
type Rejected struct {
	// Key tells it from the table's other rejected rows; the next one with the same
	// key replaces it.
	Key    string
	Row    []any  // like a row of the change, as far as it goes; a Scope clears it by its columns here
	Reason string // for whoever owns the data
}

// Scope names parents whose rows are listed completely: rows of these parents
// that are not among Change.Rows are deleted. Only a complete listing may carry
// one, never an incremental page.
type Scope struct {
	Columns []string // of Change.Table, such as ["user_id"]
	Parents [][]any  // one value for each of Columns
}

// Source yields what changed after a cursor, parents before children, and ends
// when it is up to date. An error is yielded last, with an empty batch; a
// consumer that stops early has everything released before range returns.
type Source interface {
	Read(ctx context.Context, after Cursor) iter.Seq2[Batch, error]
}

// Sink writes batches for one pipeline and keeps that pipeline's cursor beside
// the data. It is safe for use by one Run at a time.
type Sink interface {
	// Cursor is where the last durable batch said to resume; "" before the first.
	Cursor(ctx context.Context) (Cursor, error)
	// Write makes b durable and reports what it took. After an error nothing of b
	// has landed, and the same batch may be written again.
	Write(ctx context.Context, b Batch) (Landed, error)
}

// Landed is what one batch did to the target, a count a table, in the order of
// the batch's changes.
type Landed []TableCount

// TableCount counts rows of one table.
type TableCount struct {
	Table     string `json:"table"`
	Read      int64  `json:"read"`      // came from the source, duplicates of a key within a change counted once
	Written   int64  `json:"written"`   // inserted or really changed
	Inserted  int64  `json:"inserted"`  // of those written, were not there before
	Updated   int64  `json:"updated"`   // of those written, were there with other values
	Unchanged int64  `json:"unchanged"` // were there already, and cost no write
	Deleted   int64  `json:"deleted"`   // removed by a scope
	Rejected  int64  `json:"rejected"`  // could not be written, or not deleted: went to the dead letters
	Bytes     int64  `json:"bytes"`     // of the values of the rows that were read, about
	Micros    int64  `json:"micros"`    // that the target took for this table, in microseconds
}

// Add adds the counts of d to those of c.
func (c *TableCount) Add(d TableCount) {
	c.Read += d.Read
	c.Written += d.Written
	c.Inserted += d.Inserted
	c.Updated += d.Updated
	c.Unchanged += d.Unchanged
	c.Deleted += d.Deleted
	c.Rejected += d.Rejected
	c.Bytes += d.Bytes
	c.Micros += d.Micros
}
