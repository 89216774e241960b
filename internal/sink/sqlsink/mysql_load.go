package sqlsink

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"regexp"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"

	"ferryman/internal/pipeline"
)

const (
	loadFrom = 300  // new rows that make the further round trip worth while
	loadMost = 5000 // rows of a load; more are no faster
)

// takesLoads tells whether a server takes LOAD DATA LOCAL for what it is used for
// here. MySQL refuses it by default. A Galera cluster may commit a load in parts.
func (d *mysql) takesLoads(ctx context.Context, q querier) (bool, error) {
	if !d.mariaDB.Load() {
		return false, nil
	}
	rows, err := q.QueryContext(ctx, "SHOW VARIABLES WHERE variable_name IN ('local_infile', 'wsrep_on')")
	if err != nil {
		return false, err
	}
	defer rows.Close()
	on := map[string]bool{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return false, err
		}
		on[name] = value == "ON"
	}
	return on["local_infile"] && !on["wsrep_on"], rows.Err()
}

// mysqlPlain are clauses of a column that do the same whichever way a row comes.
var mysqlPlain = regexp.MustCompile(`^( NOT NULL| NULL)?( DEFAULT (NULL|'([^'\\]|''|\\.)*'|[-+.0-9eE]+))?( COMMENT '([^'\\]|''|\\.)*')?$`)

// mysqlPlainTable tells whether SHOW CREATE TABLE defines a table that can be loaded
// into: a load that went wrong has to be rolled back.
func mysqlPlainTable(definition string) bool {
	return strings.Contains(definition, "\n) ENGINE=InnoDB")
}

// loadable tells whether a column makes the same of a value's text as of the value.
func (c *column) loadable() bool {
	name, _, _ := strings.Cut(c.sqlType, "(")
	name, _, _ = strings.Cut(name, " ")
	switch name {
	case "bit", "year", "timestamp":
		return false
	}
	switch c.kind {
	case textKind, integerKind, decimalKind, floatKind, doubleKind:
		return true
	case timeKind:
		return c.typ == pipeline.Time || c.stamp != 0 // a number might be taken for another time
	default:
		return false
	}
}

// loadStatement loads a reader's rows; "" where the table has to do without. Its
// delimiters mean the same in every sql_mode.
func (d *mysql) loadStatement(p *plan) string {
	if !d.loads || !p.plain {
		return ""
	}
	all := make([]*column, len(p.columns))
	for i := range p.columns {
		if all[i] = &p.columns[i]; !all[i].loadable() {
			return ""
		}
	}
	return fmt.Sprintf("INTO TABLE %s CHARACTER SET utf8mb4 FIELDS TERMINATED BY 0x09 ENCLOSED BY '' ESCAPED BY 0x5C LINES TERMINATED BY 0x0A (%s)",
		d.quote(p.table.Name), names(all))
}

// loadError is a load that went wrong, which INSERT may put right or say more of.
type loadError struct{ err error }

func (f *loadError) Error() string { return "the load failed: " + f.err.Error() }
func (f *loadError) Unwrap() error { return f.err }

// load inserts rows by LOAD DATA. Since the server cannot stop a client that sends,
// it leaves out a row that collides, and fits a value that it cannot hold, with no
// more than a warning: any of those fails the attempt, and the next one inserts.
// From then on the table gets no loads.
func (u *mysqlUpserter) load(ctx context.Context, tx *transaction, rows [][]any) (int64, error) {
	n, err := u.send(ctx, tx, rows)
	told, warnings := false, 0
	if err == nil {
		told, err = single(ctx, tx, "SHOW COUNT(*) WARNINGS", nil, &warnings)
	}
	if err == nil && (n != int64(len(rows)) || !told || warnings > 0) {
		err = fmt.Errorf("%d of %d rows landed, with %d warnings", n, len(rows), warnings)
	}
	if err == nil {
		return n, nil
	}
	switch u.dialect.diagnose(err).class {
	case contended, busy, lost, unreachable, full:
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, err
	}
	u.into = ""
	return 0, &loadError{err}
}

// send hands rows to the server. The driver finds its readers nowhere but in a
// registry of the process. That is borne with since a name which nobody else has is
// there for as long as the load takes, and locks guard it.
func (u *mysqlUpserter) send(ctx context.Context, tx *transaction, rows [][]any) (int64, error) {
	name := rand.Text()
	mysqldriver.RegisterReaderHandler(name, func() io.Reader {
		return &loadReader{rows: rows, stamps: u.plan.stampValues(tx)}
	})
	defer mysqldriver.DeregisterReaderHandler(name)
	return tx.exec(ctx, fmt.Sprintf("LOAD DATA LOCAL INFILE 'Reader::%s' %s", name, u.into))
}

// loadReader is rows as LOAD DATA reads them, each with the stamps behind it.
type loadReader struct {
	rows    [][]any
	stamps  []any
	buffer  []byte
	pending []byte // of buffer
}

func (r *loadReader) Read(p []byte) (int, error) {
	if len(r.pending) == 0 {
		r.buffer = r.buffer[:0]
		for len(r.rows) > 0 && len(r.buffer) < 64<<10 {
			r.buffer = appendFields(r.buffer, r.rows[0])
			r.buffer = appendFields(r.buffer, r.stamps)
			r.buffer[len(r.buffer)-1] = '\n'
			r.rows = r.rows[1:]
		}
		if r.pending = r.buffer; len(r.pending) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

// appendFields appends values, each with a tab behind it.
func appendFields(dst []byte, values []any) []byte {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			dst = append(dst, `\N`...)
		case bool:
			if v {
				dst = append(dst, '1')
			} else {
				dst = append(dst, '0')
			}
		case string:
			dst = appendEscaped(dst, v)
		default:
			dst = appendText(dst, v)
		}
		dst = append(dst, '\t')
	}
	return dst
}

// loadEscapes are what stands behind a backslash for a character.
var loadEscapes = [256]byte{0: '0', '\t': 't', '\n': 'n', '\r': 'r', '\\': '\\'}

func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		if escape := loadEscapes[s[i]]; escape != 0 {
			dst = append(append(dst, s[from:i]...), '\\', escape)
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}
