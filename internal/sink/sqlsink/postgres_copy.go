package sqlsink

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// allNew tells whether COPY can take rows straight into the target: none of them is
// there. Should another writer bring one meanwhile, COPY fails by the unique index,
// and the batch is written again carefully, row against row.
func (u *postgresUpserter) allNew(ctx context.Context, tx *transaction, rows [][]any) (bool, error) {
	if u.direct == "" || tx.careful || len(rows) < directFrom {
		return false, nil
	}
	d, p := u.dialect, u.plan
	keys := make([]any, len(rows))
	for i, row := range rows {
		keys[i] = row[p.key[0]]
	}
	condition, args := d.list(&p.columns[p.key[0]], keys)
	there, err := found(ctx, tx, fmt.Sprintf("SELECT 1 FROM %s WHERE %s LIMIT 1", d.quote(p.table.Name), condition), args...)
	return !there, err
}

func (u *postgresUpserter) byDirectCopy(ctx context.Context, conn *pgconn.PgConn, tx *transaction, rows [][]any) (written, error) {
	tag, err := conn.CopyFrom(ctx, &copyReader{rows: rows, more: u.plan.stampValues(tx)}, u.direct)
	return written{inserted: tag.RowsAffected()}, err
}

func (u *postgresUpserter) byCopy(ctx context.Context, conn *pgconn.PgConn, tx *transaction, rows [][]any) (written, error) {
	if _, err := conn.Exec(ctx, u.createStage).ReadAll(); err != nil {
		// The right may have been taken away since greet: the next attempt does without.
		u.dialect.arraysOnly = u.dialect.diagnose(err).class == forbidden
		return written{}, err
	}
	if _, err := conn.CopyFrom(ctx, &copyReader{rows: rows}, u.copyIn); err != nil {
		return written{}, err
	}
	done, err := writtenBy(conn.ExecParams(ctx, u.fromStage, u.stamps(tx), nil, nil, nil))
	if err != nil {
		return written{}, err
	}
	_, err = conn.Exec(ctx, "DROP TABLE pg_temp.ferryman_stage").ReadAll()
	return done, err
}

// copyReader is rows in COPY's text format.
type copyReader struct {
	rows    [][]any
	more    []any // follows each row
	buffer  []byte
	pending []byte // of buffer
}

func (r *copyReader) Read(p []byte) (int, error) {
	if len(r.pending) == 0 {
		r.buffer = r.buffer[:0]
		for len(r.rows) > 0 && len(r.buffer) < 64<<10 {
			r.buffer = appendCopy(r.buffer, r.rows[0], r.more)
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

// appendCopy appends a row, and more values behind it, in COPY's text format.
func appendCopy(dst []byte, row, more []any) []byte {
	for i, v := range row {
		if i > 0 {
			dst = append(dst, '\t')
		}
		dst = appendCopied(dst, v)
	}
	for _, v := range more {
		dst = appendCopied(append(dst, '\t'), v)
	}
	return append(dst, '\n')
}

func appendCopied(dst []byte, v any) []byte {
	if v == nil {
		return append(dst, `\N`...)
	}
	s, ok := v.(string)
	if !ok {
		return appendText(dst, v)
	}
	for {
		n := strings.IndexAny(s, "\\\t\n\r")
		if n < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:n]...)
		dst = append(dst, '\\', [...]byte{'\\': '\\', '\t': 't', '\n': 'n', '\r': 'r'}[s[n]])
		s = s[n+1:]
	}
}
