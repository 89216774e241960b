package tdsfake_test

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"ferryman/internal/sink/sqlsink/tdsfake"
)

func connect(t *testing.T, s *tdsfake.Server) *sql.DB {
	t.Helper()
	config, err := msdsn.Parse("sqlserver://user:pass%40word@" + s.Address() + "?database=d&app+name=test&encrypt=disable")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(mssql.NewConnectorConfig(config))
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

func kinds(s *tdsfake.Server) []tdsfake.Kind {
	var all []tdsfake.Kind
	for _, r := range s.Requests() {
		all = append(all, r.Kind)
	}
	return all
}

var moment = time.Date(2024, 2, 29, 23, 59, 58, 123456000, time.UTC)

// What the driver sends is read as it was meant, and it reads what is answered.
func TestValues(t *testing.T) {
	row := []any{int64(-5), int64(7), true, "é😀", "long", moment, nil}
	s := tdsfake.Start(t, func(r tdsfake.Request) tdsfake.Reply {
		if r.Kind != tdsfake.RPC {
			return tdsfake.Reply{}
		}
		return tdsfake.Reply{Rows: [][]any{row}, Columns: []tdsfake.Column{
			{Name: "a", Type: tdsfake.BigInt()}, {Name: "b", Type: tdsfake.Int()}, {Name: "c", Type: tdsfake.Bit()}, {Name: "d", Type: tdsfake.NVarChar(10)},
			{Name: "e", Type: tdsfake.NVarChar(0)}, {Name: "f", Type: tdsfake.DateTime2(6)}, {Name: "g", Type: tdsfake.Float()},
		}}
	})
	db := connect(t, s)
	got, pointers := make([]any, len(row)), make([]any, len(row))
	for i := range got {
		pointers[i] = &got[i]
	}
	err := db.QueryRowContext(t.Context(), "SELECT @p1", int64(-1), "x", true, 1.5, moment, sql.NullString{}, nil).Scan(pointers...)
	if err != nil || !reflect.DeepEqual(got, row) {
		t.Fatalf("%v, %v", got, err)
	}
	r := s.Requests()[1]
	var values []any
	var types []string
	for _, p := range r.Params {
		values, types = append(values, p.Value), append(types, p.Type.String())
	}
	if r.Text != "SELECT @p1" || !reflect.DeepEqual(values, []any{int64(-1), "x", true, 1.5, moment, nil, nil}) {
		t.Errorf("%q %v", r.Text, values)
	}
	want := []string{"bigint", "nvarchar(1)", "bit", "float", "datetimeoffset(7)", "nvarchar(4000)", "untyped"}
	if !slices.Equal(types, want) {
		t.Errorf("%v", types)
	}
	login := s.Requests()[0].User
	if login != (tdsfake.LoginRecord{Name: "user", Password: "pass@word", Application: "test", Server: "127.0.0.1", Database: "d", Encryption: 2}) {
		t.Errorf("%+v", login)
	}
}

func TestTransactionsAndCopies(t *testing.T) {
	s := tdsfake.Start(t, func(r tdsfake.Request) tdsfake.Reply {
		if strings.HasSuffix(r.Text, " SET FMTONLY OFF") {
			return tdsfake.Reply{Columns: []tdsfake.Column{{Name: "a", Type: tdsfake.BigInt()}, {Name: "b", Type: tdsfake.NVarChar(0)},
				{Name: "c", Type: tdsfake.Decimal(38, 4)}, {Name: "d", Type: tdsfake.DateTime2(3)}}}
		}
		if r.Text == "SELECT fail" {
			return tdsfake.Reply{Error: &tdsfake.Error{Number: 2627, Message: "twice", EndsTransaction: true}}
		}
		return tdsfake.Reply{Count: 3}
	})
	db := connect(t, s)
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		stmt, err := tx.PrepareContext(t.Context(), mssql.CopyIn("#x", mssql.BulkOptions{}, "a", "b", "c", "d"))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range [][]any{{int64(1), "one", "-1.5", moment}, {nil, nil, nil, nil}, {}} {
			if _, err := stmt.ExecContext(t.Context(), row...); err != nil {
				t.Fatal(err)
			}
		}
		stmt.Close()
		if err := end(tx); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range s.Requests() {
		if r.Kind == tdsfake.Copy && !reflect.DeepEqual(r.Rows, [][]any{{int64(1), "one", "-1.5000", moment.Truncate(time.Millisecond)}, {nil, nil, nil, nil}}) {
			t.Errorf("%v", r.Rows)
		}
		if inside := r.Kind == tdsfake.Batch || r.Kind == tdsfake.Copy || r.Kind == tdsfake.Commit || r.Kind == tdsfake.Rollback; r.InTransaction != inside {
			t.Errorf("%s %q is in a transaction: %v", r.Kind, r.Text, r.InTransaction)
		}
	}
	const batch = tdsfake.Batch
	want := []tdsfake.Kind{tdsfake.Login, tdsfake.Begin, batch, batch, batch, tdsfake.Copy, tdsfake.Commit, tdsfake.Begin, batch, batch, batch, tdsfake.Copy, tdsfake.Rollback}
	// The driver calls off the answer with a copy's columns if its end has not come yet.
	called := func(k tdsfake.Kind) bool { return k == tdsfake.Attention }
	if got := slices.DeleteFunc(kinds(s), called); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}

	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var e mssql.Error
	if _, err := tx.ExecContext(t.Context(), "SELECT fail"); !errors.As(err, &e) || e.Number != 2627 || e.Message != "twice" {
		t.Errorf("%v", err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("a transaction that the server ended is committed")
	}
}

func TestFates(t *testing.T) {
	columns := []tdsfake.Column{{Name: "a", Type: tdsfake.BigInt()}}
	s := tdsfake.Start(t, func(r tdsfake.Request) tdsfake.Reply {
		return tdsfake.Reply{Columns: columns, Then: map[string]tdsfake.Fate{"SELECT hang": tdsfake.Hang, "SELECT drop": tdsfake.Drop, "SELECT row": tdsfake.DropInRow}[r.Text]}
	})
	db := connect(t, s)
	query := func(ctx context.Context, text string) error {
		rows, err := db.QueryContext(ctx, text)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	}
	if err := query(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // the server must have read the batch by then
	defer cancel()
	if err := query(ctx, "SELECT hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v", err)
	}
	if err := query(t.Context(), "SELECT row"); err == nil {
		t.Error("half a row is taken")
	}
	if err := query(t.Context(), "SELECT drop"); err == nil {
		t.Error("no answer is taken")
	}
	if got := kinds(s); !slices.Equal(got[:4], []tdsfake.Kind{tdsfake.Login, tdsfake.Batch, tdsfake.Batch, tdsfake.Attention}) {
		t.Errorf("%v", got)
	}
}
