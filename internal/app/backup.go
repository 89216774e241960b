package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ferryman/internal/db"
)

// secretEnding tells the secret of a SQLite store from the store.
const secretEnding = ".secret"

// Kept is a copy of a SQLite store in a file.
type Kept struct {
	File       string
	Bytes      int64
	Schema     int // version
	Executions int64
	Deliveries int64
	Secret     string   // the file of its secret; "" if none came with it
	Configured bool     // the secret is none of Ferryman's files but a setting
	Aside      []string // where the files are that had to make way
}

// Backup copies a SQLite store, whether or not a server runs on it, and the file of
// its secret. to is the new file, or a folder in which it is named after the time.
// One that is there is replaced only if that is asked for.
func Backup(ctx context.Context, o Options, to string, replace bool) (Kept, error) {
	if info, err := os.Stat(to); err == nil && info.IsDir() || strings.HasSuffix(to, string(filepath.Separator)) {
		to = filepath.Join(to, "ferryman-"+time.Now().UTC().Format("20060102T150405Z")+".db")
	}
	c, err := db.Backup(ctx, o.Config.Store.URL.Reveal(), to, replace, secretEndings(o), "executions", "deliveries")
	return kept(o, c), err
}

// Restore puts a copy in the place of a SQLite store that no server serves.
func Restore(ctx context.Context, o Options, from string) (Kept, error) {
	r, err := db.Restore(ctx, o.Config.Store.URL.Reveal(), from, time.Now(), secretEndings(o), "executions", "deliveries")
	k := kept(o, r.Copy)
	k.Aside = r.Aside
	return k, err
}

// secretEndings are none if the secret is configured: a file of it is somebody else's.
func secretEndings(o Options) []string {
	if o.Config.Store.Secret.Empty() {
		return []string{secretEnding}
	}
	return nil
}

func kept(o Options, c db.Copy) Kept {
	k := Kept{
		File: c.Path, Bytes: c.Bytes, Schema: c.Version, Executions: c.Rows["executions"], Deliveries: c.Rows["deliveries"],
		Configured: !o.Config.Store.Secret.Empty(),
	}
	if len(c.Beside) > 0 {
		k.Secret = c.Beside[0]
	}
	return k
}

// exists tells whether there is a file.
func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}
