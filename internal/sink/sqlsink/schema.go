package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// ensure makes what is missing of a table and plans how to write it. Another
// process may be doing the same: what it made first is found in the next round.
func (s *Sink) ensure(ctx context.Context, conn *sql.Conn, t *pipeline.Table) (*plan, error) {
	const rounds = 5
	for round := 1; ; round++ {
		have, err := s.dialect.describe(ctx, conn, t.Name)
		if err != nil {
			return nil, s.explain(ctx, "read", t.Name, err)
		}
		sh := s.shape(t, have)
		doing := "alter"
		var missing []string
		if have != nil {
			missing, err = s.missing(have, sh)
		} else {
			doing = "create"
			missing, err = s.create(ctx, conn, sh)
		}
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			p, err := s.newPlan(have, t)
			if err != nil {
				return nil, err
			}
			made, err := s.addIndexes(ctx, conn, have, sh, round == rounds)
			if err != nil {
				return nil, err
			}
			if made && round < rounds {
				continue // a column's index is of concern when it is widened
			}
			return p, nil
		}
		err = s.define(ctx, conn, t, missing)
		switch diagnosis := s.dialect.diagnose(err); {
		case err == nil && round < rounds:
		case (diagnosis.class == exists || diagnosis.class == refused || diagnosis.class == contended) && round < rounds:
		case err == nil:
			return nil, schemaFault(t, "stays without columns that were added to it", "")
		case diagnosis.class == refused: // no row is to blame
			return nil, &fault.Error{Kind: fault.Unconfigured, Code: "target_schema", Err: err, Hint: diagnosis.hint,
				Detail: fmt.Sprintf("cannot %s table %q of %s", doing, t.Name, s.dialect)}
		default:
			return nil, s.explain(ctx, doing, t.Name, err)
		}
	}
}

// define runs all statements or, where definitions are part of transactions, none.
func (s *Sink) define(ctx context.Context, conn *sql.Conn, t *pipeline.Table, statements []string) error {
	tr := s.dialect.traits()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer s.seen.forget()
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if tr.begin != "" {
		if _, err := tx.ExecContext(ctx, tr.begin); err != nil {
			return err
		}
	}
	for i, statement := range statements {
		// Nobody would come back for the rest of what is partly done.
		if err := s.defineOne(ctx, tx, statement, tr.definesAlone && i > 0); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for _, statement := range statements {
		s.log.DebugContext(ctx, "target schema changed", "table", t.Name, "statement", statement)
	}
	return nil
}

// defineOne runs one statement of a definition, if need be leniently, and where it
// has to be persistent also again while others are in its way.
func (s *Sink) defineOne(ctx context.Context, tx *sql.Tx, statement string, persistent bool) error {
	tr, since := s.dialect.traits(), time.Now()
	_, err := tx.ExecContext(ctx, statement)
	if s.dialect.diagnose(err).relent {
		if _, denied := tx.ExecContext(ctx, tr.lenient); denied == nil {
			_, err = tx.ExecContext(ctx, statement)
			_, _ = tx.ExecContext(ctx, tr.strict) // if that fails, so will the commit
		}
	}
	for attempt := 1; persistent && err != nil && s.again(ctx, err, attempt, since); attempt++ {
		_, err = tx.ExecContext(ctx, statement)
	}
	return err
}

// missing are the statements that add the columns which a table lacks, and that make
// room for its stamps.
func (s *Sink) missing(have *description, sh shape) ([]string, error) {
	d := s.dialect
	tr := d.traits()
	var added []string
	for i, name := range sh.names {
		if have.column(name, tr.foldsNames) != nil || i < len(sh.Columns) && slices.Contains(sh.Key, sh.Columns[i].Name) {
			continue
		}
		added = append(added, d.quote(name)+" "+d.columnType(sh.need(i)))
	}
	if len(added) == 0 {
		return s.crampedStamps(have, sh), nil
	}
	if err := s.checkWidth(sh.Table, len(have.columns)+len(added)); err != nil {
		return nil, err
	}
	alter := "ALTER TABLE " + d.quote(sh.Name) + " " + tr.addColumn
	statements := []string{alter + strings.Join(added, tr.addNext)} // one by one, hundreds take their time
	if tr.addNext == "" {
		statements = nil
		for _, column := range added {
			statements = append(statements, alter+column)
		}
	}
	return append(statements, s.crampedStamps(have, sh)...), nil
}

// crampedStamps are the statements that widen columns too short for a time.
func (s *Sink) crampedStamps(have *description, sh shape) []string {
	var statements []string
	for _, name := range sh.names[len(sh.Columns):] {
		e := have.column(name, s.dialect.traits().foldsNames)
		if e == nil || !sh.adapts || e.kind != textKind || have.view {
			continue
		}
		for _, room := range []int{e.maxLength, e.maxUnits} {
			if room > 0 && room < len(textTime) {
				n := need{typ: pipeline.Text, bytes: len(textTime), units: len(textTime), bounded: have.indexed(name)}
				statements = append(statements, s.dialect.widen(sh.Name, *e, n)...)
				break
			}
		}
	}
	return statements
}

// checkWidth refuses more columns than a table can have.
func (s *Sink) checkWidth(t *pipeline.Table, columns int) error {
	most := s.dialect.traits().maxColumns
	if most == 0 || columns <= most {
		return nil
	}
	return &fault.Error{Kind: fault.Unconfigured, Code: "target_schema",
		Detail: fmt.Sprintf("table %q of %s would have %d columns, and can have %d", t.Name, s.dialect, columns, most),
		Hint:   "leave some out; where they are custom fields, --max-fields does"}
}

// create are the statements that make a table.
func (s *Sink) create(ctx context.Context, conn *sql.Conn, sh shape) ([]string, error) {
	if err := s.checkWidth(sh.Table, len(sh.names)); err != nil {
		return nil, err
	}
	referring, err := s.referringTypes(ctx, conn, sh.Table)
	if err != nil {
		return nil, err
	}
	d := s.dialect
	var parts []string
	for i, name := range sh.names {
		columnType, notNull := "", true
		if i < len(sh.Columns) {
			c := sh.Columns[i]
			columnType, notNull = referring[c.Name], c.Required || slices.Contains(sh.Key, c.Name)
		}
		if columnType == "" {
			columnType = d.columnType(sh.need(i))
		}
		part := d.quote(name) + " " + columnType
		if notNull {
			part += " NOT NULL"
		}
		parts = append(parts, part)
	}
	key := sh.rename(sh.Key)
	parts = append(parts, "PRIMARY KEY ("+s.quoteAll(key)+")")
	var indexed [][]string
	for _, r := range sh.References {
		column := sh.rename([]string{r.Column})
		parts = append(parts, fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s) ON DELETE CASCADE",
			s.quoteAll(column), d.quote(r.Table), d.quote(r.Key)))
		if !d.traits().indexesRefs && !beginWith([][]string{key}, column) { // else the primary key serves
			indexed = append(indexed, column)
		}
	}
	statements := []string{fmt.Sprintf("CREATE TABLE %s (%s)%s", d.quote(sh.Name), strings.Join(parts, ", "), d.tableOptions())}
	for _, columns := range sh.Indexes {
		if columns := sh.rename(columns); !beginWith(append(indexed, key), columns) {
			indexed = append(indexed, columns)
		}
	}
	for _, columns := range indexed {
		statements = append(statements, s.createIndex(sh.Name, columns, nil))
	}
	return statements, nil
}

// referringTypes are the types that columns need to refer to tables that are
// there already, by the columns' names.
func (s *Sink) referringTypes(ctx context.Context, conn *sql.Conn, t *pipeline.Table) (map[string]string, error) {
	types := map[string]string{}
	for _, r := range t.References {
		parent, err := s.dialect.describe(ctx, conn, r.Table)
		if err != nil {
			return nil, s.explain(ctx, "read", r.Table, err)
		}
		if parent == nil {
			continue
		}
		if key := parent.column(r.Key, s.dialect.traits().foldsNames); key != nil && key.referring != "" {
			types[r.Column] = key.referring
		}
	}
	return types, nil
}

func (s *Sink) quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = s.dialect.quote(n)
	}
	return strings.Join(quoted, ", ")
}
