package sqlsink

import (
	"context"
	"database/sql"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// Whichever rows are refused, each of them is once, all others land once, and that
// takes few attempts where few are refused and about one a row where most are.
func TestSieve(t *testing.T) {
	s := openSink(t, targets[0].url(t), Options{Pipeline: "p"})
	_, refusal := s.db.Exec("CREATE TABLE x (n CHECK (n = 0)); INSERT INTO x VALUES (1)")
	if s.dialect.diagnose(refusal).class != refused {
		t.Fatal(refusal)
	}
	if _, err := s.db.Exec("CREATE TABLE landed (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(r, "rows")
		share := rapid.SampledFrom([]int{0, 1, 10, 50, 95, 100}).Draw(r, "percent refused")
		size := rapid.IntRange(1, n).Draw(r, "size")
		rows, bad, many := make([][]any, n), map[int]bool{}, 0
		for i := range rows {
			rows[i] = []any{i}
			if rapid.IntRange(1, 100).Draw(r, "refused") <= share {
				bad[i] = true
				many++
			}
		}
		calls, refusals := 0, 0
		err := s.onConn(t.Context(), func(ctx context.Context, conn *sql.Conn) error {
			sqlTx, err := conn.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = sqlTx.Rollback() }()
			tx := &transaction{Tx: sqlTx, conn: conn, careful: true}
			err = s.sieve(ctx, tx, rows, size, func(part [][]any) error {
				calls++
				for _, row := range part {
					if _, err := tx.exec(ctx, "INSERT INTO landed VALUES (?)", row[0]); err != nil {
						return err
					}
					if bad[row[0].(int)] {
						return refusal
					}
				}
				return nil
			}, func(row []any, _ error) error {
				if !bad[row[0].(int)] {
					r.Errorf("row %v is refused", row)
				}
				refusals++
				return nil
			})
			if err != nil {
				return err
			}
			found, err := tx.QueryContext(ctx, "SELECT n FROM landed ORDER BY rowid")
			if err != nil {
				return err
			}
			defer found.Close()
			for i := range n {
				if bad[i] {
					continue
				}
				var got int
				if !found.Next() || found.Scan(&got) != nil || got != i {
					r.Fatalf("row %d does not stand in its place, but %d", i, got)
				}
			}
			if found.Next() {
				r.Error("a row landed twice")
			}
			return found.Err()
		})
		if err != nil {
			r.Fatal(err)
		}
		most := 1 + bits.Len(uint(n/size)) + (many+1)*2*bits.Len(uint(n))
		if share == 100 {
			most = n + bits.Len(uint(n))
		}
		if refusals != many || calls > most {
			r.Errorf("%d of %d rows refused in %d attempts, want %d and at most %d", refusals, n, calls, many, most)
		}
	})
}
