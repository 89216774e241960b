package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

func integers(names ...string) []pipeline.Column {
	var columns []pipeline.Column
	for _, name := range names {
		columns = append(columns, pipeline.Column{Name: name, Type: pipeline.Integer})
	}
	return columns
}

// A row takes the place in a unique index of one that goes in the same change.
func TestPlaceOfARowThatGoes(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		exec(t, connect(t, url), "CREATE TABLE t (id integer PRIMARY KEY, g integer, pos integer, UNIQUE (g, pos))")
		tbl := table(integers("g", "pos")...)
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
		for id := range int64(3) {
			batch := pipeline.Batch{Whole: id == 2, Changes: []pipeline.Change{
				{Table: tbl, Rows: [][]any{{id, int64(1), int64(1)}}, Scope: within("g", int64(1))}}}
			if landed, err := s.Write(t.Context(), batch); err != nil || landed[0].Written != 1 || landed[0].Deleted != min(id, 1) {
				t.Errorf("row %d: landed %+v, %v", id, landed, err)
			}
		}
		if rows := allRows(t, s, tbl); len(rows) != 1 || rows[0][0] != int64(2) {
			t.Errorf("rows %v", rows)
		}
	})
}

// A key that a collation takes for the one that goes.
func TestLooseKeyRenamed(t *testing.T) {
	url := testdb.MySQL(t)
	exec(t, connect(t, url), "CREATE TABLE loose (id varchar(50) PRIMARY KEY, g int) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci")
	loose := &pipeline.Table{Name: "loose", Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text}, {Name: "g", Type: pipeline.Integer}}}
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{loose}})
	for _, id := range []string{"A", "a"} {
		if got := write(t, s, pipeline.Change{Table: loose, Rows: [][]any{{id, int64(1)}}, Scope: within("g", int64(1))}); got.Written != 1 {
			t.Errorf("landed %+v", got)
		}
		if rows := allRows(t, s, loose); len(rows) != 1 || rows[0][0] != id {
			t.Errorf("rows %v", rows)
		}
	}
}

// Rows that refer to others of their table, or take over what others give up, may
// come in any order, though a bad row has each looked at by itself.
func TestRowsThatWaitForOthers(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		exec(t, connect(t, url), "CREATE TABLE t (id bigint PRIMARY KEY, parent bigint, pos bigint NOT NULL UNIQUE, FOREIGN KEY (parent) REFERENCES t (id))")
		tbl := table(integers("parent", "pos")...)
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
		rows := [][]any{{int64(1), int64(2), int64(1)}, {int64(2), int64(3), int64(2)}, {int64(3), int64(4), int64(3)}, {int64(4), nil, int64(4)}}
		orphan := []any{int64(5), int64(6), int64(9)}
		if got := write(t, s, pipeline.Change{Table: tbl, Rows: append(rows, orphan)}); got.Written != 4 || got.Rejected != 1 {
			t.Errorf("landed %+v", got)
		}
		for i := range rows { // each takes the place of the next
			rows[i] = []any{rows[i][0], rows[i][1], rows[i][2].(int64) + 1}
		}
		if got := write(t, s, pipeline.Change{Table: tbl, Rows: append(rows, orphan)}); got.Written != 4 || got.Rejected != 1 {
			t.Errorf("landed %+v", got)
		}
		if got := allRows(t, s, tbl); fmt.Sprint(got) != fmt.Sprint(rows) {
			t.Errorf("rows %v", got)
		}
		if letters := readLetters(t, s); len(letters) != 1 || letters[0].key != "5" {
			t.Errorf("letters %+v", letters)
		}
		// A parent goes once its last child has moved away from it.
		rows[2] = []any{int64(3), nil, rows[2][2]}
		if got := write(t, s, pipeline.Change{Table: tbl, Rows: rows[2:3], Scope: within("pos", int64(5))}); got.Written != 1 || got.Deleted != 1 || got.Rejected != 0 {
			t.Errorf("landed %+v", got)
		}
	})
}

// A row that another table of the user's still needs stays, and it is said why.
func TestRowThatCannotBeDeleted(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		tbl := table(integers("g")...)
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
		var rows [][]any
		for id := range int64(700) {
			rows = append(rows, []any{id, int64(1)})
		}
		write(t, s, pipeline.Change{Table: tbl, Rows: rows})
		db := connect(t, url)
		exec(t, db, "CREATE TABLE mine (id bigint, FOREIGN KEY (id) REFERENCES t (id))", "INSERT INTO mine VALUES (7), (600)")
		change := pipeline.Change{Table: tbl, Rows: [][]any{{int64(1000), int64(1)}}, Scope: within("g", int64(1))}

		_, err := s.Write(t.Context(), pipeline.Batch{Whole: true, Changes: []pipeline.Change{change}})
		checkFault(t, err, fault.Invalid, "target_refused_row", `"t"`, "600", "deleted")
		if n := len(allRows(t, s, tbl)); n != 700 {
			t.Errorf("%d rows", n)
		}
		want := pipeline.TableCount{Table: "t", Read: 1, Written: 1, Deleted: 698, Rejected: 2}
		for range 2 {
			if got := write(t, s, change); got != want {
				t.Errorf("landed %+v, want %+v", got, want)
			}
			want.Written, want.Unchanged, want.Deleted = 0, 1, 0
			letters := readLetters(t, s)
			if len(letters) != 2 || letters[0].key != "600" || letters[0].row != `{"id":600,"g":1}` || letters[1].key != "7" || !strings.Contains(letters[1].reason, "cannot be deleted") {
				t.Errorf("letters %+v", letters)
			}
		}
		exec(t, db, "DELETE FROM mine WHERE id = 7")
		write(t, s, change)
		exec(t, db, "DELETE FROM mine", "DELETE FROM t WHERE id = 600") // by hand
		write(t, s, change)
		if rows, letters := allRows(t, s, tbl), readLetters(t, s); len(rows) != 1 || len(letters) != 0 {
			t.Errorf("rows %v, letters %+v", rows, letters)
		}
	})
}

// A parent that the column cannot hold has no rows, and is in nobody's way.
func TestParentsThatDoNotFit(t *testing.T) {
	for name, test := range map[string]struct {
		create []string
		odd    []any
	}{
		"mariadb":  {[]string{"CREATE TABLE t (id bigint PRIMARY KEY, parent varchar(5)) CHARSET=latin1"}, []any{"日本", "😀", "123456"}},
		"postgres": {[]string{"CREATE TYPE letter AS ENUM ('a', 'b')", "CREATE TABLE t (id bigint PRIMARY KEY, parent letter)"}, []any{"c", "日本"}},
	} {
		t.Run(name, func(t *testing.T) {
			url := targets[map[string]int{"postgres": 1, "mariadb": 2}[name]].url(t)
			exec(t, connect(t, url), test.create...)
			tbl := table(pipeline.Column{Name: "parent", Type: pipeline.Text})
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
			write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{{int64(1), "a"}, {int64(2), "b"}}})
			parents := slices.Concat(test.odd, []any{"a"}, test.odd, []any{"b"})
			got := write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{{int64(2), "b"}, {int64(3), test.odd[0]}}, Scope: within("parent", parents...)})
			if want := (pipeline.TableCount{Table: "t", Read: 2, Unchanged: 1, Deleted: 1, Rejected: 1}); got != want {
				t.Errorf("landed %+v, want %+v", got, want)
			}
		})
	}
}

// A key that the column cannot hold is refused by itself.
func TestKeysThatDoNotFit(t *testing.T) {
	url := testdb.MySQL(t)
	exec(t, connect(t, url), "CREATE TABLE tags (label varchar(50) PRIMARY KEY) CHARSET=latin1")
	tags := &pipeline.Table{Name: "tags", Key: []string{"label"}, Columns: []pipeline.Column{{Name: "label", Type: pipeline.Text}}}
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tags}})
	rows := [][]any{{"ok"}, {"日本"}, {"ä"}, {"😀"}}
	for _, written := range []int64{2, 0} {
		if got := write(t, s, pipeline.Change{Table: tags, Rows: rows}); got.Written != written || got.Rejected != 2 {
			t.Errorf("landed %+v", got)
		}
	}
}

// chunks is an upserter that only looks.
type chunks struct {
	t     *testing.T
	limit limits
	sizes []int
}

func (c *chunks) upsert(_ context.Context, _ *transaction, rows [][]any) (written, error) {
	size := 0
	for _, row := range rows {
		for _, v := range row {
			text, _ := v.(string)
			size += 8 + len(text)
		}
	}
	if len(rows) > c.limit.rows || len(rows) > 1 && size > c.limit.bytes {
		c.t.Errorf("a chunk of %d rows, %d bytes", len(rows), size)
	}
	c.sizes = append(c.sizes, len(rows))
	return written{inserted: int64(len(rows))}, nil
}

// Chunks are bounded in rows and in bytes.
func TestChunks(t *testing.T) {
	tbl := table(pipeline.Column{Name: "v", Type: pipeline.Text})
	c := &chunks{t: t, limit: limits{rows: 4, bytes: 1000, rowBytes: 2000}}
	p := &plan{table: tbl, width: 2, key: []int{0}, chunk: c.limit, upserter: c,
		columns: []column{{typ: pipeline.Integer, key: true}, {typ: pipeline.Text}}}
	var rows [][]any
	for i, size := range []int{1, 1, 1, 1, 1, 600, 600, 300, 1500, 1, 900} {
		rows = append(rows, []any{int64(i), strings.Repeat("x", size)})
	}
	s, count := &Sink{}, pipeline.TableCount{}
	s.scratch.index(p, rows)
	if err := s.upsert(t.Context(), &transaction{}, p, rows, &count, nil); err != nil {
		t.Fatal(err)
	}
	if want := []int{4, 2, 2, 1, 2}; count.Written != int64(len(rows)) || !slices.Equal(c.sizes, want) {
		t.Errorf("chunks of %v rows, want %v", c.sizes, want)
	}
}

// In a careful transaction MariaDB's snapshot hides no row that has come since.
func TestCarefulLooksPastTheSnapshot(t *testing.T) {
	url := testdb.MySQL(t)
	s, other := lockable(t, url), connect(t, url)
	err := s.onConn(t.Context(), func(ctx context.Context, conn *sql.Conn) error {
		sqlTx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = sqlTx.Rollback() }()
		tx := &transaction{Tx: sqlTx, conn: conn, careful: true}
		if _, err := tx.exec(ctx, "SELECT count(*) FROM t"); err != nil {
			return err
		}
		if _, err := other.ExecContext(ctx, "INSERT INTO t VALUES (2, 1)"); err != nil {
			return err
		}
		n, err := s.plans["t"].upserter.upsert(ctx, tx, [][]any{{int64(2), int64(5)}})
		if n != (written{updated: 1}) {
			t.Errorf("%+v", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
