package sqlsink

import (
	"context"
	"encoding/json"
)

func (d *postgres) describe(ctx context.Context, q querier, table string) (*description, error) {
	// Of a domain, the type below it counts. A type's name with the modifier -1 is
	// one that a cast cuts nothing to.
	rows, err := q.QueryContext(ctx, `
		WITH RECURSIVE layer AS (
			SELECT attnum, atttypid AS type, atttypmod AS modifier FROM pg_attribute
			WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
			UNION ALL
			SELECT attnum, typbasetype, typtypmod FROM layer JOIN pg_type ON oid = type WHERE typtype = 'd'
		)
		SELECT a.attname, format_type(t.oid, -1), t.typname, t.typcategory, l.modifier,
			a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', c.collisdeterministic IS NOT FALSE AND t.typname NOT IN ('citext', 'bpchar'),
			r.relkind NOT IN ('r', 'p'), r.relkind = 'r' AND NOT r.relrowsecurity AND NOT r.relhasrules,
			format_type(a.atttypid, a.atttypmod) || coalesce(' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname), '')
		FROM pg_attribute AS a JOIN pg_class AS r ON r.oid = a.attrelid JOIN layer AS l USING (attnum) JOIN pg_type AS t ON t.oid = l.type
			LEFT JOIN pg_collation AS c ON c.oid = a.attcollation LEFT JOIN pg_namespace AS n ON n.oid = c.collnamespace
		WHERE a.attrelid = to_regclass($1) AND t.typtype <> 'd'
		ORDER BY a.attnum`, d.quote(table))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var have description
	for rows.Next() {
		var c existing
		var typname, category string
		var modifier int
		var exact bool
		if err := rows.Scan(&c.name, &c.sqlType, &typname, &category, &modifier, &c.mandatory, &exact, &have.view, &have.plain, &c.referring); err != nil {
			return nil, err
		}
		c.inexact, c.filled = !exact, typname == "bpchar"
		c.postgresType(typname, category, modifier)
		if c.kind == floatKind || c.filled { // else it comes as a number of 64 bits, or with more blanks
			c.reading = d.quote(c.name) + "::text"
		}
		have.columns = append(have.columns, c)
	}
	if err := rows.Err(); err != nil || len(have.columns) == 0 {
		return nil, err
	}
	return &have, d.describeIndexes(ctx, q, table, &have)
}

func (d *postgres) describeIndexes(ctx context.Context, q querier, table string, have *description) error {
	rows, err := q.QueryContext(ctx, `
		SELECT i.indisprimary, i.indisunique AND i.indimmediate, json_agg(a.attname ORDER BY k.place)::text
		FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
			CROSS JOIN generate_series(0, i.indnkeyatts - 1) AS k (place) JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.place]
		WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree'
		GROUP BY i.indexrelid, i.indisprimary, i.indisunique, i.indimmediate`, d.quote(table))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var u unique
		var enforced bool
		var names string
		if err := rows.Scan(&u.primary, &enforced, &names); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(names), &u.columns); err != nil {
			return err
		}
		have.indexes = append(have.indexes, u.columns)
		if !enforced {
			continue
		}
		for _, name := range u.columns {
			u.inexact = u.inexact || have.column(name, false).inexact
		}
		have.uniques = append(have.uniques, u)
	}
	return rows.Err()
}
