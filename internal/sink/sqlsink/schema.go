package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

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
		doing := "alter"
		var missing []string
		if have != nil {
			missing = s.missing(have, t)
		} else {
			doing = "create"
			types, err := s.referringTypes(ctx, conn, t)
			if err != nil {
				return nil, err
			}
			missing = s.create(t, types)
		}
		if len(missing) == 0 {
			return s.newPlan(have, t)
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
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if begin := s.dialect.traits().begin; begin != "" {
		if _, err := tx.ExecContext(ctx, begin); err != nil {
			return err
		}
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
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

// missing are the statements that add the columns which a table lacks.
func (s *Sink) missing(have *description, t *pipeline.Table) []string {
	d := s.dialect
	var statements []string
	add := func(name string, typ pipeline.Type) {
		if have.column(name, d.traits().foldsNames) == nil && !slices.Contains(t.Key, name) {
			statements = append(statements, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s",
				d.quote(t.Name), d.quote(name), d.columnType(typ, false)))
		}
	}
	for _, c := range t.Columns {
		add(c.Name, c.Type)
	}
	for _, st := range t.Stamps {
		add(st.Name, st.Type)
	}
	return statements
}

func (s *Sink) create(t *pipeline.Table, referring map[string]string) []string {
	d := s.dialect
	var parts []string
	for _, c := range t.Columns {
		isKey := slices.Contains(t.Key, c.Name)
		refers := slices.ContainsFunc(t.References, func(r pipeline.Reference) bool { return r.Column == c.Name })
		columnType := referring[c.Name]
		if columnType == "" {
			columnType = d.columnType(c.Type, isKey || refers)
		}
		part := d.quote(c.Name) + " " + columnType
		if c.Required || isKey {
			part += " NOT NULL"
		}
		parts = append(parts, part)
	}
	for _, st := range t.Stamps {
		parts = append(parts, d.quote(st.Name)+" "+d.columnType(st.Type, false)+" NOT NULL")
	}
	parts = append(parts, "PRIMARY KEY ("+s.quoteAll(t.Key)+")")
	for _, r := range t.References {
		parts = append(parts, fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s) ON DELETE CASCADE",
			d.quote(r.Column), d.quote(r.Table), d.quote(r.Key)))
	}
	statements := []string{fmt.Sprintf("CREATE TABLE %s (%s)%s",
		d.quote(t.Name), strings.Join(parts, ", "), d.tableOptions())}
	if d.traits().indexesRefs {
		return statements
	}
	for _, r := range t.References {
		if r.Column != t.Key[0] { // else the primary key serves
			statements = append(statements, fmt.Sprintf("CREATE INDEX %s ON %s (%s)",
				d.quote(indexName(t.Name, r.Column, d.traits().maxName)), d.quote(t.Name), d.quote(r.Column)))
		}
	}
	return statements
}

// indexName is cut where it is too long, with a checksum to tell such names apart.
func indexName(table, column string, longest int) string {
	name := table + "_" + column + "_idx"
	if len(name) <= longest {
		return name
	}
	sum := fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(name)))
	return strings.ToValidUTF8(name[:longest-len(sum)], "") + sum
}

func (s *Sink) quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = s.dialect.quote(n)
	}
	return strings.Join(quoted, ", ")
}

func (d *description) column(name string, folded bool) *existing {
	for i := range d.columns {
		if d.columns[i].name == name || folded && strings.EqualFold(d.columns[i].name, name) {
			return &d.columns[i]
		}
	}
	return nil
}

// newPlan checks that an existing table can be written as it stands.
func (s *Sink) newPlan(have *description, t *pipeline.Table) (*plan, error) {
	d := s.dialect
	tr := d.traits()
	p := &plan{table: t, width: len(t.Columns), key: t.KeyIndexes(), chunk: d.chunk()}
	add := func(c column) error {
		e := have.column(c.name, tr.foldsNames)
		if e == nil {
			return schemaFault(t, fmt.Sprintf("has no column %q, which is part of its key", c.name), "")
		}
		c.existing, c.quoted, c.layout = *e, d.quote(e.name), tr.timeLayout
		p.columns = append(p.columns, c)
		return nil
	}
	for i, c := range t.Columns {
		isKey := slices.Contains(p.key, i)
		if err := add(column{existing: existing{name: c.Name}, typ: c.Type, required: c.Required, key: isKey}); err != nil {
			return nil, err
		}
		if !isKey {
			p.rest = append(p.rest, i)
		}
	}
	for _, st := range t.Stamps {
		if err := add(column{existing: existing{name: st.Name}, typ: st.Type, stamp: st.On}); err != nil {
			return nil, err
		}
	}
	if err := s.chooseKey(p, have); err != nil {
		return nil, err
	}
	for _, e := range have.columns {
		if e.mandatory && !slices.ContainsFunc(p.columns, func(c column) bool { return c.existing.name == e.name }) {
			return nil, schemaFault(t, fmt.Sprintf("wants a value in column %q, which Ferryman does not fill", e.name),
				"give the column a default or let it be NULL")
		}
	}
	p.upserter = d.compile(p)
	return p, nil
}

// chooseKey finds the unique index that upserts rely on.
func (s *Sink) chooseKey(p *plan, have *description) error {
	t, found := p.table, false
	key := make([]string, len(p.key))
	for i, c := range p.pick(p.key) {
		key[i] = c.existing.name
	}
	slices.Sort(key)
	for _, u := range have.uniques {
		columns := slices.Clone(u.columns)
		slices.Sort(columns)
		if !slices.Equal(columns, key) {
			p.otherUniques = true
			continue
		}
		if u.inexact {
			return schemaFault(t, fmt.Sprintf("takes different values of its key (%s) for equal", strings.Join(t.Key, ", ")),
				"give the key's columns a type or collation that compares bytes")
		}
		found = true
		p.byPrimary = p.byPrimary || u.primary
	}
	switch {
	case !found && have.view:
		return schemaFault(t, "is a view or the like, which can't be upserted to", "rename it, or let the pipeline write to a table of another name")
	case !found:
		return schemaFault(t, fmt.Sprintf("has no unique index on its key (%s)", strings.Join(t.Key, ", ")),
			fmt.Sprintf("remove rows with the same key, then make one with: CREATE UNIQUE INDEX %s ON %s (%s)",
				s.dialect.quote(indexName(t.Name, "key", s.dialect.traits().maxName)), s.dialect.quote(t.Name), s.quoteAll(t.Key)))
	}
	return nil
}

func schemaFault(t *pipeline.Table, what, hint string) error {
	if hint == "" {
		hint = meanings[mismatched].hint
	}
	return &fault.Error{Kind: fault.Unconfigured, Code: "target_schema",
		Detail: fmt.Sprintf("the existing table %q %s", t.Name, what), Hint: hint}
}
