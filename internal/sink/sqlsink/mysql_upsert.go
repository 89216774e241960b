package sqlsink

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/pipeline"
)

// mysqlUpserter first reads which keys are there, but for those that the change's
// scope has read. Rows that are not are inserted plainly, or loaded where they are
// many, so that one which collides with another unique index, or with a key that
// the table's collation takes for the same, is refused instead of changing a row
// that is not its own; and so that what was written can be counted. The others go
// through ON DUPLICATE KEY UPDATE, which leaves equal rows alone.
type mysqlUpserter struct {
	dialect *mysql
	plan    *plan

	head   string // INSERT INTO … VALUES
	tuple  string // (?, ?)
	update string // ON DUPLICATE KEY UPDATE …
	single []string
	most   int    // rows of a statement
	into   string // INTO TABLE … of a load; "" where rows are only inserted

	args   []any
	known  map[string]bool
	unseen [][]any
	fresh  [][]any
	there  [][]any
}

func (d *mysql) compile(p *plan) upserter {
	all := make([]*column, len(p.columns))
	for i := range p.columns {
		all[i] = &p.columns[i]
	}
	u := &mysqlUpserter{dialect: d, plan: p, known: map[string]bool{}}
	table := d.quote(p.table.Name)
	u.head = fmt.Sprintf("INSERT INTO %s (%s) VALUES ", table, names(all))
	u.tuple = "(?" + strings.Repeat(", ?", len(all)-1) + ")"
	if strings.Contains(u.head, "?") {
		// The driver then leaves the parameters to the server, which takes so many.
		const parameters = 1<<16 - 1
		p.chunk.rows = min(p.chunk.rows, parameters/len(all))
	}
	u.most = p.chunk.rows
	if u.into = d.loadStatement(p); u.into != "" {
		p.chunk.rows = loadMost
	}

	alias := ""
	given := func(c *column) string { return "VALUES(" + c.quoted + ")" }
	if d.rowAlias {
		alias = " AS `ferryman new`"
		given = func(c *column) string { return "`ferryman new`." + c.quoted }
	}
	own := func(c *column) string { return table + "." + c.quoted }
	var same, set, stamps, plain []string
	for _, c := range p.pick(p.rest) {
		equal := "%s <=> %s"
		if c.inexact {
			equal = "CAST(%s AS BINARY) <=> CAST(%s AS BINARY)"
		}
		same = append(same, fmt.Sprintf(equal, own(c), given(c)))
		set = append(set, c.quoted+" = "+given(c))
		plain = append(plain, c.quoted+" = ?")
	}
	// The stamps come first: an assignment sees the columns that precede it as
	// already changed.
	for _, c := range all[p.width:] {
		if c.stamp == pipeline.OnChange {
			stamps = append(stamps, fmt.Sprintf("%s = IF(%s, %s, %s)", c.quoted, strings.Join(same, " AND "), own(c), given(c)))
		}
	}
	u.update = alias + " ON DUPLICATE KEY UPDATE " + strings.Join(append(stamps, set...), ", ")
	u.single = u.oneByOne(table, plain)
	return u
}

func (u *mysqlUpserter) upsert(ctx context.Context, tx *transaction, rows [][]any) (written, error) {
	defer func() {
		clear(u.known)
		clear(u.unseen)
		clear(u.fresh)
		clear(u.there)
	}()
	if err := u.split(ctx, tx, rows); err != nil {
		return written{}, err
	}
	var done written
	var err error
	if done.inserted, err = u.bring(ctx, tx, u.fresh); err != nil {
		return written{}, err
	}
	switch {
	case len(u.there) == 0 || len(u.plan.rest) == 0:
		return done, nil
	case u.plan.otherUniques && !u.plan.byPrimary:
		// Which of its unique indexes the server looks at first is not for us to say.
		n, err := u.updateOneByOne(ctx, tx, u.there)
		done.updated = n
		return done, err
	default:
		n, err := u.insert(ctx, tx, u.there, u.update)
		done.updated = n / 2 // a changed row counts as two
		return done, err
	}
}

// split finds out which rows are there already. In a careful transaction it looks
// past the transaction's snapshot, at what others may have written since, and
// wherever a row may be.
func (u *mysqlUpserter) split(ctx context.Context, tx *transaction, rows [][]any) error {
	seen, lock := tx.seen, ""
	if tx.careful {
		seen, lock = nil, " FOR UPDATE"
	}
	var key []byte
	u.unseen, u.fresh, u.there = u.unseen[:0], u.fresh[:0], u.there[:0]
	for _, row := range rows {
		key = u.plan.appendKey(key[:0], row)
		if there, known := seen.of(row, key); known {
			u.assign(row, there)
		} else {
			u.unseen = append(u.unseen, row)
		}
	}
	if err := u.plan.findKeys(ctx, tx, u.dialect, u.unseen, lock, u.known); err != nil {
		return err
	}
	for _, row := range u.unseen {
		key = u.plan.appendKey(key[:0], row)
		u.assign(row, u.known[string(key)])
	}
	return nil
}

func (u *mysqlUpserter) assign(row []any, there bool) {
	if there {
		u.there = append(u.there, row)
	} else {
		u.fresh = append(u.fresh, row)
	}
}

// bring brings rows that are not there.
func (u *mysqlUpserter) bring(ctx context.Context, tx *transaction, rows [][]any) (int64, error) {
	if u.into != "" && !tx.careful && len(rows) >= loadFrom {
		return u.load(ctx, tx, rows)
	}
	return u.insert(ctx, tx, rows, "")
}

// insert inserts rows, with tail behind each statement.
func (u *mysqlUpserter) insert(ctx context.Context, tx *transaction, rows [][]any, tail string) (written int64, err error) {
	stamps := u.plan.stampValues(tx)
	for part := range slices.Chunk(rows, u.most) {
		u.args = u.args[:0]
		var query strings.Builder
		query.Grow(len(u.head) + len(part)*(len(u.tuple)+1) + len(tail))
		query.WriteString(u.head)
		for i, row := range part {
			if i > 0 {
				query.WriteByte(',')
			}
			query.WriteString(u.tuple)
			u.args = append(append(u.args, row...), stamps...)
		}
		query.WriteString(tail)
		n, err := tx.exec(ctx, query.String(), u.args...)
		clear(u.args)
		if err != nil {
			return 0, err
		}
		written += n
	}
	return written, nil
}

// oneByOne are the statements that update one row by its key: its columns, then,
// if that changed anything, its stamps.
func (u *mysqlUpserter) oneByOne(table string, set []string) []string {
	var where, stamps []string
	for _, c := range u.plan.pick(u.plan.key) {
		where = append(where, c.quoted+" = ?")
	}
	for _, c := range u.plan.columns[u.plan.width:] {
		if c.stamp == pipeline.OnChange {
			stamps = append(stamps, c.quoted+" = ?")
		}
	}
	var statements []string
	for _, assignments := range [][]string{set, stamps} {
		if len(assignments) > 0 {
			statements = append(statements, fmt.Sprintf("UPDATE %s SET %s WHERE %s", table, strings.Join(assignments, ", "), strings.Join(where, " AND ")))
		}
	}
	return statements
}

func (u *mysqlUpserter) updateOneByOne(ctx context.Context, tx *transaction, rows [][]any) (int64, error) {
	p := u.plan
	var stamps []any
	for i, v := range p.stampValues(tx) {
		if p.columns[p.width+i].stamp == pipeline.OnChange {
			stamps = append(stamps, v)
		}
	}
	var written int64
	for _, row := range rows {
		key := choose(row, p.key)
		n, err := tx.exec(ctx, u.single[0], slices.Concat(choose(row, p.rest), key)...)
		if err != nil {
			return 0, err
		}
		if n > 0 && len(stamps) > 0 {
			if _, err := tx.exec(ctx, u.single[1], slices.Concat(stamps, key)...); err != nil {
				return 0, err
			}
		}
		written += n
	}
	return written, nil
}
