package sqlsink

import (
	"context"
	"fmt"
	"strings"

	"ferryman/internal/pipeline"
)

const mssqlStage = "#ferryman_stage"

// mssqlUpserter copies rows into a temporary table, and from there into the target:
// first it updates the rows that differ, then it inserts those that are not there.
// MERGE would do both at once, but each part as if the other did not exist, and so
// lose races.
type mssqlUpserter struct {
	plan    *plan
	columns []mssqlStaged
	names   []string // in the temporary table
	values  []any    // of the rows in hand

	create string
	check  string // finds a value that its column would change; may be ""
	update string // may be ""
	insert string
}

func (d *mssql) compile(p *plan) upserter {
	u := &mssqlUpserter{plan: p}
	var stage, fresh, lossy []string
	var on, set, own, given []string
	var which strings.Builder
	for i := range p.columns[:p.width] {
		c := stageFor(&p.columns[i])
		name := fmt.Sprintf("c%d", i)
		u.columns, u.names = append(u.columns, c), append(u.names, name)
		stage = append(stage, fmt.Sprintf("[%s] %s NULL", name, c.stage))
		from := "s.[" + name + "]"
		if bad := c.lossy(from); bad != "" {
			lossy = append(lossy, bad)
			fmt.Fprintf(&which, " WHEN %s THEN %d", bad, i)
		}
		value, target := c.converted(from), "t."+c.quoted
		fresh = append(fresh, value)
		if c.key {
			on = append(on, target+" = "+value)
			if c.padded { // by the letter, too: neither case nor trailing blanks may be lost
				on = append(on, c.comparable(target)+" = "+c.comparable(value))
			}
			continue
		}
		set = append(set, c.quoted+" = "+value)
		given, own = append(given, c.comparable(value)), append(own, c.comparable(target))
	}
	table := d.quote(p.table.Name)
	u.create = fmt.Sprintf("CREATE TABLE %s (%s)", mssqlStage, strings.Join(stage, ", "))
	if len(lossy) > 0 {
		u.check = fmt.Sprintf("SELECT TOP (1) CASE%s END FROM %s AS s WHERE %s", which.String(), mssqlStage, strings.Join(lossy, " OR "))
	}

	all := make([]*column, len(p.columns))
	changed := 0
	for i := range p.columns {
		c := &p.columns[i]
		all[i] = c
		if i < p.width {
			continue
		}
		fresh = append(fresh, d.placeholder(i-p.width+1))
		if c.stamp == pipeline.OnChange {
			changed++
			set = append(set, c.quoted+" = "+d.placeholder(changed))
		}
	}
	// The locks hold the gaps between keys, for no other writer to insert there. Any
	// join but by index would read, and lock, the whole target.
	const locked = " AS t WITH (UPDLOCK, SERIALIZABLE)"
	match := strings.Join(on, " AND ")
	if len(p.rest) > 0 {
		u.update = fmt.Sprintf("UPDATE t SET %s FROM %s AS s INNER JOIN %s%s ON %s WHERE EXISTS (SELECT %s EXCEPT SELECT %s) OPTION (LOOP JOIN, FORCE ORDER)",
			strings.Join(set, ", "), mssqlStage, table, locked, match, strings.Join(given, ", "), strings.Join(own, ", "))
	}
	u.insert = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS s WHERE NOT EXISTS (SELECT 1 FROM %s%s WHERE %s) OPTION (LOOP JOIN)",
		table, names(all), strings.Join(fresh, ", "), mssqlStage, table, locked, match)
	return u
}

func (u *mssqlUpserter) upsert(ctx context.Context, tx *transaction, rows [][]any) (written, error) {
	defer func() {
		clear(u.values)
		u.values = u.values[:0]
	}()
	for _, row := range rows { // before anything is sent: a copy cannot be broken off
		for i, v := range row {
			v, err := u.columns[i].typed(v)
			if err != nil {
				return written{}, err
			}
			u.values = append(u.values, v)
		}
	}
	// Without parameters: what a statement with parameters makes is gone after it.
	if _, err := tx.ExecContext(ctx, u.create); err != nil {
		return written{}, err
	}
	if err := u.copyIn(ctx, tx); err != nil {
		return written{}, err
	}
	done, err := u.fromStage(ctx, tx, int64(len(rows)))
	if err != nil {
		return written{}, err
	}
	_, err = tx.ExecContext(ctx, "DROP TABLE "+mssqlStage)
	return done, err
}

func (u *mssqlUpserter) fromStage(ctx context.Context, tx *transaction, rows int64) (done written, err error) {
	if u.check != "" {
		var place int
		bad, err := single(ctx, tx, u.check, nil, &place)
		if err != nil {
			return written{}, err
		}
		if bad {
			c := &u.columns[place]
			return written{}, c.refuse("the value does not fit the type %s, or would be changed by it", c.sqlType)
		}
	}
	stamps, changes := u.stamps(tx)
	if u.update != "" {
		if done.updated, err = tx.exec(ctx, u.update, changes...); err != nil {
			return written{}, err
		}
	}
	if done.inserted, err = tx.exec(ctx, u.insert, stamps...); err != nil {
		return written{}, err
	}
	// What triggers write is in the server's count.
	done.updated = min(done.updated, rows)
	done.inserted = min(done.inserted, rows-done.updated)
	return done, nil
}

// stamps are the values of all stamps, and of those that go with each change.
func (u *mssqlUpserter) stamps(tx *transaction) (all, changes []any) {
	for i, v := range u.plan.stampValues(tx) {
		c := &u.plan.columns[u.plan.width+i]
		if c.kind == timeKind {
			v = tx.now // the column cuts it
		}
		all = append(all, v)
		if c.stamp == pipeline.OnChange {
			changes = append(changes, v)
		}
	}
	return all, changes
}
