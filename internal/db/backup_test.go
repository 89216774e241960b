package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
)

// addMark writes a row and gives whether that is durable.
func addMark(ctx context.Context, d *db.DB, name string) error {
	return d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO marks (name, value) VALUES ($1, $1)", name)
		return err
	})
}

func marksOf(t *testing.T, url string) []string {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rows, err := d.Query(t.Context(), "SELECT name FROM marks ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What was written before a backup began is in it, whoever writes meanwhile; and they
// go on.
func TestBackupWhileOthersWrite(t *testing.T) {
	dir := t.TempDir()
	url := dbtest.SQLite(filepath.Join(dir, "ferryman.db"))
	d := dbtest.Open(t, url, db.Options{Synchronous: "NORMAL"})
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var written []string
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprintf("%d-%06d", w, n)
				if err := addMark(context.WithoutCancel(ctx), d, name); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				written = append(written, name)
				mu.Unlock()
			}
		})
	}
	defer writers.Wait()
	defer stop()
	for i := range 5 {
		mu.Lock()
		before := slices.Clone(written)
		mu.Unlock()
		to := filepath.Join(dir, fmt.Sprintf("copy%d.db", i))
		c, err := db.Backup(t.Context(), url, to, false, nil, "marks", "crons")
		if err != nil {
			t.Fatal(err)
		}
		there := marksOf(t, dbtest.SQLite(to))
		has := map[string]bool{}
		for _, name := range there {
			has[name] = true
		}
		for _, name := range before {
			if !has[name] {
				t.Fatalf("%s was written before, and is not in the copy", name)
			}
		}
		shape, err := db.NewShape(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Rows["marks"] != int64(len(there)) || c.Rows["crons"] != 0 || c.Path != to || c.Version != shape.Version {
			t.Errorf("%+v, of %d rows", c, len(there))
		}
		// None of two writers may have a hole.
		for _, name := range there {
			w, number, _ := strings.Cut(name, "-")
			var n int
			if _, err := fmt.Sscanf(number, "%d", &n); err != nil {
				t.Fatal(err)
			}
			if n > 0 && !has[fmt.Sprintf("%s-%06d", w, n-1)] {
				t.Errorf("%s is there, and not the one before", name)
			}
		}
	}
}

func TestBackupFiles(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "ferryman.db")
	url, to := dbtest.SQLite(store), filepath.Join(dir, "copy.db")
	back := func(replace bool) (db.Copy, error) {
		return db.Backup(t.Context(), url, to, replace, []string{".secret"})
	}
	if _, err := back(false); fault.CodeOf(err) != "no_store" {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := os.Stat(store); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a backup has made the store")
	}
	d := dbtest.Open(t, url, db.Options{})
	if c, err := back(false); err != nil || len(c.Beside) != 0 || c.Bytes == 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(store+".secret", []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := back(false); fault.CodeOf(err) != "file_exists" || !strings.Contains(err.Error(), to) {
		t.Errorf("on top of another: %v", err)
	}
	if c, err := back(true); err != nil || !slices.Equal(c.Beside, []string{to + ".secret"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, file := range []string{to, to + ".secret"} {
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	// A secret that is in the way is nobody's to replace unasked.
	if err := os.Remove(to); err != nil {
		t.Fatal(err)
	}
	if _, err := back(false); fault.CodeOf(err) != "file_exists" || !strings.Contains(err.Error(), to+".secret") {
		t.Errorf("with a secret in the way: %v", err)
	}
	if _, err := db.Backup(t.Context(), url, filepath.Join(dir, "missing", "copy.db"), false, nil); fault.CodeOf(err) != "file_write" {
		t.Errorf("into a folder that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Backup(ctx, url, to, false, nil); fault.KindOf(err) != fault.Canceled {
		t.Errorf("called off: %v", err)
	}
	if _, err := db.Backup(t.Context(), "postgres://user:secret@127.0.0.1:1/x", to, false, nil); fault.CodeOf(err) != "not_a_file" || strings.Contains(err.Error(), "secret") {
		t.Errorf("of PostgreSQL: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.partial-*")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a backup that failed has left %s", to)
	}
	// Of a store that is closed.
	if _, err := back(true); err != nil {
		t.Error(err)
	}
}

// A store is not migrated by being copied, and one from before can be.
func TestBackupOfAnOlderSchema(t *testing.T) {
	dir := t.TempDir()
	url := dbtest.SQLite(filepath.Join(dir, "ferryman.db"))
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.MigrateTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	c, err := db.Backup(t.Context(), url, filepath.Join(dir, "copy.db"), false, nil, "executions", "deliveries")
	if at, _ := d.SchemaVersion(t.Context()); err != nil || c.Version != 2 || at != 2 {
		t.Errorf("%+v of a store of version %d: %v", c, at, err)
	}
}

func TestInspectRefuses(t *testing.T) {
	dir := t.TempDir()
	url := dbtest.SQLite(filepath.Join(dir, "ferryman.db"))
	d := dbtest.Open(t, url, db.Options{})
	for i := range 200 {
		if err := addMark(t.Context(), d, strings.Repeat("x", 500)+fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	good := filepath.Join(dir, "good.db")
	if _, err := db.Backup(t.Context(), url, good, false, nil); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	zeroed := bytes.Clone(content)
	clear(zeroed[len(zeroed)/2 : len(zeroed)/2+20_000])
	for what, test := range map[string]struct {
		content []byte
		code    string
	}{
		"damaged":   {zeroed, "store_corrupt"},
		"cut off":   {content[:len(content)/2], "store_corrupt"},
		"no SQLite": {bytes.Repeat([]byte("text "), 1000), "store_corrupt"},
		"empty":     {nil, "no_store"},
	} {
		file := filepath.Join(dir, "bad.db")
		if err := os.WriteFile(file, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Inspect(t.Context(), file); fault.CodeOf(err) != test.code || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", what, err)
		}
	}
	err = d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO ferryman_migrations (version, name, applied_at) VALUES (9999, 'x', 0)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	if c, err := db.Backup(t.Context(), url, newer, false, nil); err != nil || c.Version != 9999 {
		t.Errorf("%+v of a newer schema: %v", c, err)
	}
	empty := dbtest.SQLite(filepath.Join(dir, "empty.db"))
	if _, err := db.Restore(t.Context(), empty, newer, time.Now(), nil); fault.CodeOf(err) != "schema_newer" {
		t.Errorf("to restore a newer schema: %v", err)
	}
}

// Trouble with the copy is not told as trouble with the store.
func TestADiskThatIsTooSmallForTheCopy(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite(filepath.Join(t.TempDir(), "ferryman.db")), db.Options{})
	if _, err := d.Writer().ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	_, err := d.Writer().ExecContext(t.Context(), "CREATE TABLE big AS SELECT randomblob(1000000) AS x")
	var full *sqlite.Error
	if !errors.As(err, &full) {
		t.Fatal(err)
	}
	if err := db.CopyProblem("/store.db", "/copy.db", full); fault.CodeOf(err) != "disk_full" || !strings.Contains(err.Error(), "/copy.db") {
		t.Errorf("got %v", err)
	}
}

func TestRestore(t *testing.T) {
	dir := t.TempDir()
	store, copied := filepath.Join(dir, "ferryman.db"), filepath.Join(dir, "copy.db")
	url := dbtest.SQLite(store)
	endings := []string{".secret"}
	restore := func(from string) (db.Restored, error) {
		return db.Restore(t.Context(), url, from, time.Now(), endings, "marks")
	}
	d := dbtest.Open(t, url, db.Options{})
	if err := errors.Join(addMark(t.Context(), d, "before"), os.WriteFile(store+".secret", []byte("first"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Backup(t.Context(), url, copied, false, endings); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(addMark(t.Context(), d, "since"), os.WriteFile(store+".secret", []byte("second"), 0o600)); err != nil {
		t.Fatal(err)
	}

	// What cannot be restored leaves the store as it is.
	if err := d.Serve(); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(copied); !errors.Is(err, db.ErrServed) {
		t.Errorf("under a server: %v", err)
	}
	// As a power cut leaves it: with a WAL.
	wal, err := os.ReadFile(store + "-wal")
	if err != nil || len(wal) == 0 {
		t.Fatal("the store has no WAL", err)
	}
	main, err := os.ReadFile(store)
	if err := errors.Join(err, d.Close(), os.WriteFile(store, main, 0o600), os.WriteFile(store+"-wal", wal, 0o600)); err != nil {
		t.Fatal(err)
	}
	for from, code := range map[string]string{
		store: "same_file", filepath.Join(dir, "missing.db"): "no_store", store + ".secret": "store_corrupt",
	} {
		if _, err := restore(from); fault.CodeOf(err) != code {
			t.Errorf("of %s: %v", from, err)
		}
	}
	if err := os.WriteFile(copied+"-wal", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(copied); fault.CodeOf(err) != "not_whole" {
		t.Errorf("of a file with a WAL: %v", err)
	}
	if err := os.Remove(copied + "-wal"); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(store); err != nil || !bytes.Equal(now, main) {
		t.Error("the store was changed")
	}

	r, err := restore(copied)
	if err != nil {
		t.Fatal(err)
	}
	if got := marksOf(t, url); !slices.Equal(got, []string{"before"}) {
		t.Errorf("the store has %v", got)
	}
	if secret, err := os.ReadFile(store + ".secret"); err != nil || string(secret) != "first" {
		t.Errorf("the secret is %q: %v", secret, err)
	}
	if len(r.Aside) != 3 || r.Path != store || r.Rows["marks"] != 1 || !slices.Equal(r.Beside, []string{store + ".secret"}) {
		t.Errorf("%+v", r)
	}
	// Nothing of what was there is lost.
	if got := marksOf(t, dbtest.SQLite(r.Aside[0])); !slices.Equal(got, []string{"before", "since"}) {
		t.Errorf("set aside was %v", got)
	}
	if secret, err := os.ReadFile(r.Aside[1]); err != nil || string(secret) != "second" {
		t.Errorf("set aside was the secret %q: %v", secret, err)
	}

	// Where nothing was before, too; and a secret that has no other stays.
	url = dbtest.SQLite(filepath.Join(dir, "new", "ferryman.db"))
	if r, err := restore(copied); err != nil || len(r.Aside) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := os.Remove(copied + ".secret"); err != nil {
		t.Fatal(err)
	}
	if r, err := restore(copied); err != nil || len(r.Aside) != 1 || len(r.Beside) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if secret, err := os.ReadFile(filepath.Join(dir, "new", "ferryman.db.secret")); err != nil || string(secret) != "first" {
		t.Errorf("the secret is %q: %v", secret, err)
	}
}
