// Package draft writes files that are there whole or not at all, whatever cuts
// the writing off.
package draft

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"ferryman/internal/fault"
)

// Draft is a file that is being written, beside the one that it is to become and
// for its owner alone. Discard it in any case.
type Draft struct {
	file    *os.File
	path    string
	replace bool
}

// New begins the file at path. One that is there already is refused with a fault of
// code file_exists, unless replace is set; it stays as it is until Keep. A process
// that is killed leaves PATH.partial-…, which is of no use to anybody.
func New(path string, replace bool) (*Draft, error) {
	d := &Draft{path: path, replace: replace}
	if err := d.free(); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-") // for its owner alone
	if err != nil {
		return nil, Problem(path, err)
	}
	d.file = file
	return d, nil
}

// free refuses to take another file's place.
func (d *Draft) free() error {
	if d.replace {
		return nil
	}
	switch _, err := os.Lstat(d.path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return Problem(d.path, err)
	}
	return &fault.Error{
		Kind: fault.Conflict, Code: "file_exists", Detail: d.path + " is there already",
		Hint: "name another file, or have it replaced with --force",
	}
}

// Name is where the file is while it is written. Others may write it, too.
func (d *Draft) Name() string { return d.file.Name() }

// Write implements io.Writer.
func (d *Draft) Write(b []byte) (int, error) {
	n, err := d.file.Write(b)
	return n, Problem(d.path, err)
}

// CopyFrom writes what another file holds.
func (d *Draft) CopyFrom(path string) error {
	from, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer from.Close() //nolint:errcheck // it was only read
	_, err = io.Copy(d, from)
	return err
}

// Keep makes the file durable and puts it in its place.
func (d *Draft) Keep() error {
	if err := errors.Join(d.file.Sync(), d.file.Close()); err != nil { // Windows renames no open file
		return Problem(d.path, err)
	}
	if err := d.free(); err != nil { // it may have come meanwhile
		return err
	}
	if err := os.Rename(d.Name(), d.path); err != nil {
		return Problem(d.path, err)
	}
	return Problem(d.path, SyncFolder(filepath.Dir(d.path)))
}

// Discard closes the file, and removes it unless it was kept.
func (d *Draft) Discard() {
	_ = d.file.Close()      // Keep may have done so
	_ = os.Remove(d.Name()) // after Keep nothing has that name
}

// SyncFolder makes names in a folder durable, where that needs to be asked for.
func SyncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Problem says of an error in writing to path what is to be done about it. nil is
// none.
func Problem(path string, err error) error {
	var known *fault.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return Full(path, err)
	}
	return &fault.Error{
		Kind: fault.Unavailable, Code: "file_write", Detail: "cannot write " + path, Err: err,
		Hint: "see to it that the folder is there and that this user may write to it",
	}
}

// Full is the fault for a disk that does not hold the file at path.
func Full(path string, err error) error {
	return &fault.Error{
		Kind: fault.Unavailable, Code: "disk_full", Detail: "there is no room for " + path, Err: err,
		Hint: "free some space, or name a file on another disk; nothing is left of this one",
	}
}
