package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"ferryman/internal/draft"
	"ferryman/internal/fault"
)

// Restored tells what came of Restore.
type Restored struct {
	Copy           // that is the store now
	Aside []string // where the files are that were there before
}

// Restore puts a copy in the place of the SQLite store at rawURL. With it come the
// files whose names differ from the copy's by one of the endings, where there are
// such. Whatever was there before is renamed, not deleted. A copy that is not sound, or
// whose schema is newer than this binary's, is refused; while a server serves the store
// it gives ErrServed.
func Restore(ctx context.Context, rawURL, from string, now time.Time, endings []string, count ...string) (Restored, error) {
	path, err := File(rawURL)
	if err != nil {
		return Restored{}, err
	}
	if err := apart(path, from); err != nil {
		return Restored{}, err
	}
	c, err := inspect(ctx, from, count...)
	if err != nil {
		return Restored{}, err
	}
	all, err := steps(migrations, SQLite)
	if err != nil {
		return Restored{}, err
	}
	if newest := all[len(all)-1].Version; c.Version > newest {
		return Restored{}, SchemaNewer("the schema of "+from, c.Version, newest)
	}
	c.Path = path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Restored{}, cannotOpen(path, err)
	}
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return Restored{}, fmt.Errorf("lock the store: %w", err)
	case !ok:
		return Restored{}, ErrServed
	}
	defer lock.Unlock() //nolint:errcheck // the end of the process does it as well

	aside := path + ".before-" + now.UTC().Format("20060102T150405.000000Z")
	files, err := draftsOf(path, from, endings)
	defer func() {
		for _, f := range files {
			f.Discard()
		}
	}()
	if err != nil {
		return Restored{}, err
	}
	for _, f := range files {
		if f.ending != "" {
			c.Beside = append(c.Beside, path+f.ending)
		}
	}
	r := Restored{Copy: c}
	if r.Aside, err = setAside(path, aside, files); err != nil {
		return r, fmt.Errorf("set the old store aside: %w", err)
	}
	for _, f := range files {
		if err := f.Keep(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// apart refuses a copy that is the store itself, or that has not all of its content
// in its file.
func apart(path, from string) error {
	a, err := os.Stat(from)
	if err != nil {
		return &fault.Error{Kind: fault.NotFound, Code: "no_store", Detail: "cannot read the copy", Err: err}
	}
	if b, err := os.Stat(path); err == nil && os.SameFile(a, b) {
		return &fault.Error{Kind: fault.Invalid, Code: "same_file", Detail: from + " is the store itself"}
	}
	if wal, err := os.Stat(from + "-wal"); err == nil && wal.Size() > 0 {
		return &fault.Error{
			Kind: fault.Invalid, Code: "not_whole", Detail: from + " has a part of its content in " + from + "-wal",
			Hint: "it is no backup but the file of a store; make a copy of that with ferryman backup",
		}
	}
	return nil
}

// restored is a file that is ready to take its place.
type restored struct {
	*draft.Draft
	ending string
}

// draftsOf copies what is to be restored beside its place, the store last.
func draftsOf(path, from string, endings []string) (files []restored, err error) {
	for _, ending := range append(append([]string{}, endings...), "") {
		if _, err := os.Stat(from + ending); ending != "" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		file, err := draft.New(path+ending, true)
		if err != nil {
			return files, err
		}
		files = append(files, restored{file, ending})
		if err := file.CopyFrom(from + ending); err != nil {
			return files, err
		}
	}
	return files, nil
}

// setAside gives the files of the old store other names. The main one keeps its own
// besides, until the new one takes it: there is no moment without a store, in which
// a server would begin an empty one. The last writes of the old store are in its WAL,
// which must not be there when the new one is opened. Cut off between the two, it has
// to be done again.
func setAside(path, aside string, files []restored) (names []string, err error) {
	endings := []string{""}
	for _, f := range files {
		if f.ending != "" {
			endings = append(endings, f.ending)
		}
	}
	for _, ending := range endings {
		switch err := os.Link(path+ending, aside+ending); {
		case err == nil:
			names = append(names, aside+ending)
		case !errors.Is(err, fs.ErrNotExist):
			return names, err
		}
	}
	for _, ending := range []string{"-wal", "-shm"} {
		switch err := os.Rename(path+ending, aside+ending); {
		case err == nil:
			names = append(names, aside+ending)
		case !errors.Is(err, fs.ErrNotExist):
			return names, err
		}
	}
	return names, draft.SyncFolder(filepath.Dir(path))
}
