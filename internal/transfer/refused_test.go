package transfer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/transfer"
)

// unpacked gives the lines of an export; packed is the other way round.
func unpacked(t *testing.T, file []byte) []string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}

func packed(t *testing.T, lines ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	if _, err := io.WriteString(w, strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// A file that is not as it was written leaves the store as it was.
func TestDamagedFiles(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			source, target := stores()["sqlite"](t), open(t)
			err := source.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "INSERT INTO applications (name, created_at) VALUES ('shop', 1)")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			file := export(t, source)
			lines := unpacked(t, file)
			edit := func(old, young string) []byte {
				t.Helper()
				text := strings.Join(lines, "")
				if strings.Count(text, old) != 1 {
					t.Fatalf("%q is there %d times", old, strings.Count(text, old))
				}
				return packed(t, strings.Replace(text, old, young, 1))
			}
			flipped := bytes.Clone(file)
			flipped[len(flipped)/2] ^= 0x10
			before := contents(t, target)
			for what, test := range map[string]struct {
				file []byte
				code string
			}{
				"nothing":                 {nil, "export_damaged"},
				"no gzip":                 {[]byte(strings.Join(lines, "")), "export_damaged"},
				"no export":               {packed(t, "hello\n"), "export_damaged"},
				"JSON of something else":  {packed(t, "{\"id\": 1}\n"), "export_damaged"},
				"a bit":                   {flipped, "export_damaged"},
				"a value":                 {edit(`"shop",1]`, `"shop",2]`), "export_damaged"},
				"a value of another kind": {edit(`"shop",1]`, `"shop","1"]`), "export_damaged"},
				"a value more":            {edit(`"shop",1]`, `"shop",1,1]`), "export_damaged"},
				"a value less":            {edit(`"shop",1]`, `"shop"]`), "export_damaged"},
				"no number":               {edit(`"shop",1]`, `"shop",1.5]`), "export_damaged"},
				"half a row":              {edit(`"shop",1]`, `"shop"`), "export_damaged"},
				"another table":           {edit(`{"table":"audit"`, `{"table":"pg_class"`), "export_damaged"},
				"another column":          {edit(`{"name":"token_hash"`, `{"name":"tokens"`), "export_damaged"},
				"a table twice":           {edit(`{"table":"channels"`, `{"table":"marks"`), "export_damaged"},
				"no trailer":              {packed(t, lines[:len(lines)-1]...), "export_damaged"},
				"a line after it":         {packed(t, append(lines, "\n{}\n")...), "export_damaged"},
				"another export after it": {append(bytes.Clone(file), file...), "export_damaged"},
				"a newer form":            {edit(`"ferryman_export":1`, `"ferryman_export":2`), "export_form"},
				"a newer schema":          {edit(`"schema_version":`, `"schema_version":9`), "export_schema"},
			} {
				_, err := transfer.Import(t.Context(), target, bytes.NewReader(test.file), nil)
				if fault.CodeOf(err) != test.code {
					t.Errorf("%s: %v", what, err)
				}
			}
			for n := 0; n < len(file); n += 1 + len(file)/40 {
				_, err := transfer.Import(t.Context(), target, bytes.NewReader(file[:n]), nil)
				if fault.CodeOf(err) != "export_damaged" {
					t.Errorf("cut off after %d bytes: %v", n, err)
				}
			}
			broken := errors.New("the disk is gone")
			_, err = transfer.Import(t.Context(), target, io.MultiReader(bytes.NewReader(file[:len(file)/2]), iotest.ErrReader(broken)), nil)
			if !errors.Is(err, broken) {
				t.Errorf("a disk that fails: %v", err)
			}
			if after := contents(t, target); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("something is left:\n%v", after)
			}
			mustImport(t, target, file)
		})
	}
}

func TestAStoreThatIsNotEmpty(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			source, target := stores()["sqlite"](t), open(t)
			file := export(t, source)
			mustImport(t, target, file) // of an empty store; it is as empty as before
			err := target.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "INSERT INTO applications (name, created_at) VALUES ('shop', 1)")
				if err == nil {
					_, err = tx.Exec(t.Context(), "INSERT INTO marks (name, value) VALUES ('a', 'b')")
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			before := contents(t, target)
			_, err = transfer.Import(t.Context(), target, bytes.NewReader(file), nil)
			if fault.CodeOf(err) != "store_not_empty" || !strings.Contains(err.Error(), "applications (2), marks (1)") {
				t.Errorf("got %v", err)
			}
			if after := contents(t, target); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("it was changed:\n%v", after)
			}
		})
	}
}

func TestAStoreThatIsServed(t *testing.T) {
	url := dbtest.SQLite(filepath.Join(t.TempDir(), "ferryman.db"))
	server, target := dbtest.Open(t, url, db.Options{}), dbtest.Open(t, url, db.Options{})
	file := export(t, target)
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Import(t.Context(), target, bytes.NewReader(file), nil); fault.CodeOf(err) != "store_served" {
		t.Errorf("got %v", err)
	}
}

// An export does not migrate what others work on.
func TestOtherSchemas(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			at := func(change string) error {
				err := d.Tx(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(t.Context(), change)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				_, err = transfer.Export(t.Context(), d, io.Discard, "test", nil)
				return err
			}
			if err := at("INSERT INTO ferryman_migrations (version, name, applied_at) VALUES (9999, 'x', 0)"); fault.CodeOf(err) != "schema_newer" {
				t.Errorf("newer: %v", err)
			}
			if err := at("DELETE FROM ferryman_migrations WHERE version > 1"); fault.CodeOf(err) != "schema_older" {
				t.Errorf("older: %v", err)
			}
		})
	}
}

// Text that PostgreSQL cannot hold does not keep a store from being moved there.
func TestOddTexts(t *testing.T) {
	source, target := stores()["sqlite"](t), stores()["postgres"](t)
	err := source.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO marks (name, value) VALUES ('nul', $1), ('bytes', $2), ('good', $3)", "a\x00b", "a\xff\xfeb", "\ufffdä")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := mustImport(t, target, export(t, source))
	got := texts(t, target, "SELECT value FROM marks ORDER BY name")
	if s.Replaced != 2 || strings.Join(got, " ") != "a\ufffdb \ufffdä a\ufffdb" {
		t.Errorf("%d replaced, %q", s.Replaced, got)
	}
}

// What writes the file may fail, and whoever waits may give up.
func TestExportThatIsCutOff(t *testing.T) {
	d := stores()["sqlite"](t)
	broken := errors.New("the disk is full")
	if _, err := transfer.Export(t.Context(), d, brokenWriter{broken}, "test", nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := transfer.Export(ctx, d, io.Discard, "test", nil); fault.KindOf(err) != fault.Canceled {
		t.Errorf("got %v", err)
	}
	if _, err := transfer.Import(ctx, d, bytes.NewReader(export(t, d)), nil); fault.KindOf(err) != fault.Canceled {
		t.Errorf("got %v", err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// On PostgreSQL nobody is kept waiting for ever by somebody who works on the store.
func TestAStoreThatIsInUse(t *testing.T) {
	t.Parallel()
	d := stores()["postgres"](t)
	file := export(t, d)
	held, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ctx := context.WithoutCancel(t.Context())
		ended <- d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "LOCK TABLE crons IN ROW EXCLUSIVE MODE; SET LOCAL idle_in_transaction_session_timeout = 0")
			close(held)
			<-release
			return err
		})
	}()
	<-held
	if _, err := transfer.Import(t.Context(), d, bytes.NewReader(file), nil); fault.CodeOf(err) != "store_in_use" {
		t.Errorf("got %v", err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	mustImport(t, d, file)
}
