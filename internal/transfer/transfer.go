// Package transfer writes a whole store to a file and fills an empty store with it,
// whichever databases they are: SQLite, PostgreSQL or one of each. Rows keep their
// ids, and ids that were given are not given again.
//
// The file is gzip of JSON texts, one a line:
//
//	{"ferryman_export":1,"schema_version":7,"dialect":"sqlite","store":"…","made_at":"…","made_by":"…"}
//	{"table":"applications","columns":[{"name":"id","kind":"int"},…],"last_id":3}
//	[1,"ferryman",1735689600000000]
//	…
//	{"end_of_table":"applications","rows":3}
//	…
//	{"end_of_export":true,"rows":1234,"sha256":"…"}
//
// Tables come after those that they refer to, and rows in the order of their keys. A
// value is null, or as the column's kind has it: a number, true or false, a string,
// or bytes in base64. A text that is no UTF-8 is {"base64":"…"}. The sum is that of
// all bytes before its line. Jobs of the engine are not in it: schedules make them
// anew.
package transfer

import (
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// format is the version of the file's form that this binary writes, and the only one
// that it reads.
const format = 1

// header is the first line.
type header struct {
	Format  int       `json:"ferryman_export"`
	Schema  int       `json:"schema_version"`
	Dialect string    `json:"dialect"`
	Store   string    `json:"store"` // tells it from others, as webhook ids do
	MadeAt  time.Time `json:"made_at"`
	MadeBy  string    `json:"made_by"`
}

// tableHead is the line before a table's rows.
type tableHead struct {
	Table   string   `json:"table"`
	Columns []column `json:"columns"`
	LastID  int64    `json:"last_id"` // the largest that was given; 0 if there are none
}

type column struct {
	Name string  `json:"name"`
	Kind db.Kind `json:"kind"`
}

// tableEnd is the line after them.
type tableEnd struct {
	Table string `json:"end_of_table"`
	Rows  int64  `json:"rows"`
}

// trailer is the last line.
type trailer struct {
	End  bool   `json:"end_of_export"`
	Rows int64  `json:"rows"`
	Sum  string `json:"sha256"`
}

// Summary tells what was exported or imported.
type Summary struct {
	Schema   int              // version
	Dialect  string           // of the exported store
	Store    string           // the exported store's identity
	MadeAt   time.Time        // when the export was begun
	Rows     int64            // of all tables
	Tables   map[string]int64 // rows by table
	Replaced int64            // texts that the database could not hold as they were; import only
}

// Progress is told now and then how many rows of a table are done. It may be nil.
type Progress func(table string, rows int64)

// progressEvery is how many rows pass between two calls of Progress.
const progressEvery = 1 << 14

func (p Progress) at(table string, rows int64) {
	if p != nil && rows%progressEvery == 0 {
		p(table, rows)
	}
}

// damaged is the fault for a file that is not as it was written.
func damaged(format string, args ...any) error {
	return &fault.Error{
		Kind: fault.Unconfigured, Code: "export_damaged", Detail: "the file is damaged or cut off", Err: fmt.Errorf(format, args...),
		Hint: "nothing was imported; make another export, or copy it again",
	}
}

// readError classifies what reading the file ran into.
func readError(err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return damaged("%w", err)
}
