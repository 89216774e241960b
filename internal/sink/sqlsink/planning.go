package sqlsink

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// newPlan checks that an existing table can be written as it stands.
func (s *Sink) newPlan(have *description, t *pipeline.Table) (*plan, error) {
	p, err := s.outline(have, t, false)
	if err != nil {
		return nil, err
	}
	p.upserter = s.dialect.compile(p)
	return p, nil
}

// planOf plans against what is there and makes nothing, for a sink that only
// compares. A table that is missing has no plan; columns that are missing are
// absent, so that whatever a row holds there is new. The plan has no upserter. Its
// values may be narrow: that is a column which a writing sink would widen.
func (s *Sink) planOf(ctx context.Context, q querier, t *pipeline.Table) (p *plan, missing bool, err error) {
	have, err := s.dialect.describe(ctx, q, t.Name)
	if err != nil {
		return nil, false, s.explain(ctx, "read", t.Name, err)
	}
	if have == nil {
		return nil, true, nil
	}
	p, err = s.outline(have, t, true)
	return p, false, err
}

// outline is a plan without the statements. Columns may be absent if it is only to
// compare with, but those of the key.
func (s *Sink) outline(have *description, t *pipeline.Table, comparing bool) (*plan, error) {
	d, sh := s.dialect, s.shape(t, have)
	p := &plan{table: t, width: len(t.Columns), key: t.KeyIndexes(), chunk: d.chunk(), plain: have.plain}
	for i, name := range sh.names {
		c := column{existing: existing{name: name}, key: slices.Contains(p.key, i), adapts: sh.adapts}
		if i < p.width {
			c.typ, c.required = t.Columns[i].Type, t.Columns[i].Required
		} else {
			c.typ, c.stamp = t.Stamps[i-p.width].Type, t.Stamps[i-p.width].On
		}
		if e := have.column(name, d.traits().foldsNames); e != nil {
			c.existing = *e
			c.widen = s.widening(have, *e, t, c.typ)
		} else if c.absent = true; c.key || !comparing {
			return nil, schemaFault(t, fmt.Sprintf("has no column %q, which is part of its key", name), "")
		}
		c.quoted, c.layout = d.quote(c.existing.name), d.traits().timeLayout
		p.columns = append(p.columns, c)
		if i < p.width && !c.key {
			p.rest = append(p.rest, i)
		}
	}
	if err := s.chooseKey(p, have, sh); err != nil {
		return nil, err
	}
	for _, e := range have.columns {
		if e.mandatory && !slices.ContainsFunc(p.columns, func(c column) bool { return c.existing.name == e.name }) {
			return nil, schemaFault(t, fmt.Sprintf("wants a value in column %q, which Ferryman does not fill", e.name),
				"give the column a default or let it be NULL")
		}
	}
	return p, nil
}

// widening is how a column is made to hold more of what the source gives for it; nil
// where it stays as it is.
func (s *Sink) widening(have *description, e existing, t *pipeline.Table, given pipeline.Type) func(need) []string {
	if !s.adapts(t) || have.view || s.rigid[[2]string{t.Name, e.name}] {
		return nil
	}
	bounded, keyed := have.indexed(e.name), have.keyed(e.name)
	if keyed && e.kind != textKind {
		return nil
	}
	return func(n need) []string {
		n.bounded, n.keyed, n.flags = bounded, keyed, given == pipeline.Boolean
		return s.dialect.widen(t.Name, e, n)
	}
}

// chooseKey finds the unique index that upserts rely on. A sink that adapts takes
// one that confuses keys, too: a row whose key is taken for another's is refused.
func (s *Sink) chooseKey(p *plan, have *description, sh shape) error {
	t, found := p.table, false
	key := make([]string, len(p.key))
	rewritten := s.dialect.traits().mergesKeys
	for i, c := range p.pick(p.key) {
		key[i] = c.existing.name
		rewritten = rewritten || c.filled // it could not be told from what was written
	}
	slices.Sort(key)
	for _, u := range have.uniques {
		columns := slices.Clone(u.columns)
		slices.Sort(columns)
		if !slices.Equal(columns, key) {
			p.otherUniques = true
			continue
		}
		if u.inexact && (!sh.adapts || rewritten) {
			return schemaFault(t, fmt.Sprintf("takes different values of its key (%s) for equal", strings.Join(t.Key, ", ")),
				"give the key's columns a type or collation that compares bytes")
		}
		found = true
		p.byPrimary = p.byPrimary || u.primary
		p.looseKey = p.looseKey || u.inexact
	}
	switch {
	case !found && have.view:
		return schemaFault(t, "is a view or the like, which can't be upserted to", "rename it, or let the pipeline write to a table of another name")
	case !found:
		return schemaFault(t, fmt.Sprintf("has no unique index on its key (%s)", strings.Join(t.Key, ", ")),
			fmt.Sprintf("remove rows with the same key, then make one with: CREATE UNIQUE INDEX %s ON %s (%s)",
				s.dialect.quote(indexName(t.Name, "key", s.dialect.traits().maxName)), s.dialect.quote(t.Name), s.quoteAll(sh.rename(t.Key))))
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
