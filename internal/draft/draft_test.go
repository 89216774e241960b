package draft_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ferryman/internal/draft"
	"ferryman/internal/fault"
)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// A file is as it was until the new one is whole.
func TestDraft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(text string, replace, keep bool) error {
		d, err := draft.New(path, replace)
		if err != nil {
			return err
		}
		defer d.Discard()
		if _, err := io.WriteString(d, text); err != nil {
			return err
		}
		if !keep {
			return nil
		}
		return d.Keep()
	}
	if err := write("given up", false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there, and was not kept: %v", err)
	}
	if err := write("first", false, true); err != nil || read(t, path) != "first" {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := write("second", false, true); fault.CodeOf(err) != "file_exists" || read(t, path) != "first" {
		t.Errorf("%v", err)
	}
	if err := errors.Join(write("given up", true, false)); err != nil || read(t, path) != "first" {
		t.Errorf("%v", err)
	}
	if err := write("second", true, true); err != nil || read(t, path) != "second" {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

// Nobody's file is replaced that came while another was written.
func TestDraftThatComesTooLate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	d, err := draft.New(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if err := os.WriteFile(path, []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(); fault.CodeOf(err) != "file_exists" || read(t, path) != "another's" {
		t.Errorf("%v", err)
	}
}

func TestCopyFrom(t *testing.T) {
	dir := t.TempDir()
	d, err := draft.New(filepath.Join(dir, "copy"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if err := d.CopyFrom(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.CopyFrom(filepath.Join(dir, "file")), d.Keep()); err != nil || read(t, filepath.Join(dir, "copy")) != "text" {
		t.Errorf("%v", err)
	}
}

func TestProblem(t *testing.T) {
	own := &fault.Error{Kind: fault.Invalid, Code: "own"}
	for err, code := range map[error]string{
		&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}: "disk_full", syscall.EDQUOT: "disk_full", os.ErrPermission: "file_write",
		fmt.Errorf("wrapped: %w", own): "own",
	} {
		got := draft.Problem("/backups/x", err)
		if fault.CodeOf(got) != code || !errors.Is(got, err) || code != "own" && !strings.Contains(got.Error(), "/backups/x") {
			t.Errorf("%v: %v", err, got)
		}
	}
	if err := draft.Problem("/backups/x", nil); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := draft.New(filepath.Join(t.TempDir(), "missing", "file"), false); fault.CodeOf(err) != "file_write" {
		t.Errorf("in a folder that is not there: %v", err)
	}
}
