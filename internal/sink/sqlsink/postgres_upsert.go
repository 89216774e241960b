package sqlsink

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"ferryman/internal/pipeline"
)

const (
	// copyFrom is how many rows make COPY and a temporary table, whose making the
	// write-ahead log records, worth while. Arrays are faster below.
	copyFrom = 3000

	// directFrom is how many rows make it worth while to ask whether all are new.
	directFrom = 50

	textArrayOID = 1009 // text[]
	textOID      = 25   // text
)

// postgresUpserter brings rows to the server as text: new ones by COPY, others one
// array a column or, when there are many, by COPY into a temporary table. From there
// they are joined with the target, so that rows that have not changed are not even
// locked.
type postgresUpserter struct {
	dialect *postgres
	plan    *plan

	fromArrays  string
	createStage string
	copyIn      string
	fromStage   string
	direct      string // takes new rows with their stamps; "" where the table is not for it
}

func (d *postgres) compile(p *plan) upserter {
	u := &postgresUpserter{dialect: d, plan: p}
	fill := p.columns[:p.width]
	stage := make([]string, len(fill))
	casts := make([]string, len(fill))
	for i, c := range fill {
		stage[i] = fmt.Sprintf("c%d", i)
		casts[i] = fmt.Sprintf("unnest($%d)::%s AS c%d", i+1, c.sqlType, i)
	}
	target := d.quote(p.table.Name)

	arrays := fmt.Sprintf("(SELECT %s OFFSET 0)", strings.Join(casts, ", "))
	u.fromArrays = u.insert(target, arrays, len(fill))

	const temporary = "pg_temp.ferryman_stage"
	types := make([]string, len(fill))
	for i, c := range fill {
		types[i] = fmt.Sprintf("c%d %s", i, c.sqlType)
	}
	u.createStage = fmt.Sprintf("CREATE TEMPORARY TABLE ferryman_stage (%s) ON COMMIT DROP", strings.Join(types, ", "))
	u.copyIn = fmt.Sprintf("COPY %s (%s) FROM STDIN", temporary, strings.Join(stage, ", "))
	u.fromStage = u.insert(target, temporary, 0)
	if p.plain && !p.looseKey && len(p.key) == 1 {
		all := make([]*column, len(p.columns))
		for i := range p.columns {
			all[i] = &p.columns[i]
		}
		u.direct = fmt.Sprintf("COPY %s (%s) FROM STDIN", target, names(all))
	}
	return u
}

// insert is the upsert of rows with the columns c0, c1, … from a source; the
// stamps' parameters follow the first n.
func (u *postgresUpserter) insert(target, source string, n int) string {
	p := u.plan
	const letters = "::text COLLATE \"C\"" // to compare by
	var columns, values, differ, on []string
	var changed []int // places in columns
	for i, c := range p.columns {
		columns = append(columns, c.quoted)
		switch {
		case i >= p.width:
			n++
			values = append(values, fmt.Sprintf("$%d::%s", n, c.sqlType))
			if c.stamp == pipeline.OnChange {
				changed = append(changed, i)
			}
			continue
		case c.key:
			on = append(on, fmt.Sprintf("t.%s = s.c%d", c.quoted, i))
			if c.inexact {
				on = append(on, fmt.Sprintf("t.%s%s = s.c%d%s", c.quoted, letters, i, letters))
			}
		default:
			changed = append(changed, i)
			as := "" // what both sides are compared as
			if c.kind == otherKind || c.inexact {
				as = letters // json and its like know no equality
			}
			differ = append(differ, fmt.Sprintf("t.%s%s IS DISTINCT FROM s.c%d%s", c.quoted, as, i, as))
		}
		values = append(values, fmt.Sprintf("s.c%d", i))
	}
	set := make([]string, len(changed))
	for i, place := range changed {
		set[i] = columns[place] + " = excluded." + columns[place]
		if p.looseKey {
			set[i] = columns[place] + " = " + values[place]
		}
	}
	keys := p.pick(p.key)
	fresh := fmt.Sprintf("t.%s IS NULL", keys[0].quoted)
	if p.looseKey {
		// The index takes keys for equal that are not: such a row is left to collide
		// instead of changing one that is not its own.
		update := "SELECT WHERE false"
		if len(differ) > 0 {
			update = fmt.Sprintf("UPDATE %s AS t SET %s FROM s WHERE %s AND (%s) RETURNING 1",
				target, strings.Join(set, ", "), strings.Join(on, " AND "), strings.Join(differ, " OR "))
		}
		return fmt.Sprintf(`WITH s AS MATERIALIZED (SELECT * FROM %s AS source), changed AS (%s),
			written AS (INSERT INTO %s (%s) SELECT %s FROM s LEFT JOIN %s AS t ON %s WHERE %s RETURNING 1)
			SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM changed)`,
			source, update, target, strings.Join(columns, ", "), strings.Join(values, ", "), target, strings.Join(on, " AND "), fresh)
	}
	action := "NOTHING"
	if len(differ) > 0 {
		action = "UPDATE SET " + strings.Join(set, ", ")
	}
	// A row that was there has the mark of the lock that it was updated under.
	return fmt.Sprintf(`WITH written AS (INSERT INTO %s (%s) SELECT %s FROM %s AS s LEFT JOIN %s AS t ON %s WHERE %s
		ON CONFLICT (%s) DO %s RETURNING xmax = 0 AS fresh)
		SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM written`,
		target, strings.Join(columns, ", "), strings.Join(values, ", "), source, target, strings.Join(on, " AND "),
		strings.Join(append([]string{fresh}, differ...), " OR "), names(keys), action)
}

func (u *postgresUpserter) upsert(ctx context.Context, tx *transaction, rows [][]any) (written, error) {
	var done written
	fresh, err := u.allNew(ctx, tx, rows)
	if err != nil {
		return written{}, err
	}
	err = raw(tx.conn, func(conn *pgconn.PgConn) (err error) {
		if fresh {
			done, err = u.byDirectCopy(ctx, conn, tx, rows)
			return err
		}
		if len(rows) >= copyFrom && !u.dialect.arraysOnly {
			done, err = u.byCopy(ctx, conn, tx, rows)
			return err
		}
		for chunk := range slices.Chunk(rows, copyFrom) {
			n, err := u.byArrays(ctx, conn, tx, chunk)
			if err != nil {
				return err
			}
			done.add(n)
		}
		return nil
	})
	return done, err
}

// writtenBy reads the counts that an upsert returns.
func writtenBy(result *pgconn.ResultReader) (w written, err error) {
	rows := result.Read()
	if rows.Err != nil {
		return written{}, rows.Err
	}
	for i, n := range []*int64{&w.inserted, &w.updated} {
		if *n, err = strconv.ParseInt(string(rows.Rows[0][i]), 10, 64); err != nil {
			return written{}, err
		}
	}
	return w, nil
}

// raw reaches below database/sql, for COPY and for parameters without a detour.
func raw(conn *sql.Conn, f func(*pgconn.PgConn) error) error {
	return conn.Raw(func(driver any) error {
		return f(driver.(*stdlib.Conn).Conn().PgConn())
	})
}

func (u *postgresUpserter) byArrays(ctx context.Context, conn *pgconn.PgConn, tx *transaction, rows [][]any) (written, error) {
	width := u.plan.width
	buffer := u.dialect.arrays[:0]
	ends := make([]int, width)
	for i := range width {
		buffer = appendArray(buffer, rows, i)
		ends[i] = len(buffer)
	}
	if cap(buffer) <= 4<<20 {
		u.dialect.arrays = buffer
	}

	values := make([][]byte, 0, len(u.plan.columns))
	types := make([]uint32, 0, len(u.plan.columns))
	formats := make([]int16, 0, len(u.plan.columns))
	from := 0
	for _, end := range ends {
		values, types, formats = append(values, buffer[from:end]), append(types, textArrayOID), append(formats, 1)
		from = end
	}
	for _, v := range u.stamps(tx) {
		values, types, formats = append(values, v), append(types, textOID), append(formats, 0)
	}
	return writtenBy(conn.ExecParams(ctx, u.fromArrays, values, types, formats, nil))
}

func (u *postgresUpserter) stamps(tx *transaction) [][]byte {
	var values [][]byte
	for _, v := range u.plan.stampValues(tx) {
		values = append(values, []byte(v.(string)))
	}
	return values
}

// appendArray appends column i of rows as text[] in the binary format.
func appendArray(dst []byte, rows [][]any, i int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 1) // dimensions
	dst = binary.BigEndian.AppendUint32(dst, 1) // there may be NULLs
	dst = binary.BigEndian.AppendUint32(dst, textOID)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(rows))) //nolint:gosec // a chunk has thousands of rows
	dst = binary.BigEndian.AppendUint32(dst, 1)                 // lower bound
	for _, row := range rows {
		at := len(dst)
		dst = binary.BigEndian.AppendUint32(dst, 0xffffffff)
		if row[i] == nil {
			continue
		}
		dst = appendText(dst, row[i])
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4)) //nolint:gosec // a chunk is bounded in bytes
	}
	return dst
}

func appendText(dst []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(dst, v...)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case bool:
		return strconv.AppendBool(dst, v)
	default:
		return dst
	}
}
