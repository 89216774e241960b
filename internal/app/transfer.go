package app

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/db"
	"ferryman/internal/draft"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
	"ferryman/internal/transfer"
)

// Moved tells what was exported or imported.
type Moved struct {
	transfer.Summary
	Secret     string // the file that the secret was put into; "" if it was not
	Configured bool   // the secret is a setting
	// Unusable is why the keys and webhooks of an imported store do not work with the
	// secret that is here; nil if they do, or there are none.
	Unusable error
}

// Export writes the whole store into a new file, and the file of its secret beside
// it. One that is there is replaced only if that is asked for.
func Export(ctx context.Context, o Options, to string, replace bool, progress transfer.Progress) (Moved, error) {
	d, err := openAsIs(ctx, o)
	if err != nil {
		return Moved{}, err
	}
	defer d.Close() //nolint:errcheck // it was only read
	file, err := draft.New(to, replace)
	if err != nil {
		return Moved{}, err
	}
	defer file.Discard()
	m := Moved{Configured: !o.Config.Store.Secret.Empty()}
	if m.Summary, err = transfer.Export(ctx, d, file, o.Version, progress); err != nil {
		return Moved{}, err
	}
	if from := secretFile(o, d); !m.Configured && exists(from) {
		m.Secret = to + secretEnding
		if err := copySecret(from, m.Secret, replace); err != nil {
			return Moved{}, err
		}
	}
	return m, file.Keep()
}

// Import fills an empty store, which it makes if there is none, with an export, and
// puts the secret beside the export where the store's belongs. who is in the record for
// it.
func Import(ctx context.Context, o Options, from, who string, progress transfer.Progress) (Moved, error) {
	file, err := os.Open(from)
	if err != nil {
		return Moved{}, &fault.Error{Kind: fault.NotFound, Code: "file_read", Detail: "cannot read the export", Err: err}
	}
	defer file.Close() //nolint:errcheck // it was only read
	// A store that another process serves is left as it is.
	d, _, err := openStore(ctx, o, (*db.DB).Serve)
	if err != nil {
		return Moved{}, err
	}
	defer d.Close() //nolint:errcheck // everything is durable by now
	m := Moved{Configured: !o.Config.Store.Secret.Empty()}
	missing, err := compareSecrets(o, d, from+secretEnding)
	if err != nil {
		return Moved{}, err
	}
	if m.Summary, err = transfer.Import(ctx, d, file, progress); err != nil {
		return Moved{}, err
	}
	audit.New(d, o.Log).Note(ctx, audit.Entry{
		Who: who, Action: "store.import", Target: "store",
		Detail: fmt.Sprintf("%d rows, exported at %s from %s", m.Rows, m.MadeAt.Format(time.RFC3339), m.Dialect),
	})
	if missing {
		m.Secret = secretFile(o, d)
		if err := copySecret(from+secretEnding, m.Secret, false); err != nil {
			return m, fmt.Errorf("the store is imported, but not its secret: %w", err)
		}
	}
	m.Unusable, err = unusable(ctx, o, d)
	return m, err
}

// compareSecrets refuses a secret of an export that is not the one that is here, and
// tells whether there is one in the export and none here.
func compareSecrets(o Options, d *db.DB, file string) (missing bool, err error) {
	theirs, err := readSecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ours := []byte(o.Config.Store.Secret.Reveal())
	where := "FERRYMAN_SECRET"
	if len(ours) == 0 {
		where = secretFile(o, d)
		if ours, err = readSecret(where); errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	if subtle.ConstantTimeCompare(ours, theirs) == 1 {
		return false, nil
	}
	return false, &fault.Error{
		Kind: fault.Unconfigured, Code: "secret_differs", Detail: "the secret of the export, " + file + ", is another one than that here, " + where,
		Hint: "have the store use the export's: its keys and webhooks were made with it",
	}
}

// copySecret copies a secret file to where nobody but its owner can read it.
func copySecret(from, to string, replace bool) error {
	file, err := draft.New(to, replace)
	if err != nil {
		return err
	}
	defer file.Discard()
	if err := file.CopyFrom(from); err != nil {
		return err
	}
	return file.Keep()
}

// unusable tells why the store's keys or webhooks do not work with the secret that is
// here. It makes none.
func unusable(ctx context.Context, o Options, d *db.DB) (why, err error) {
	keys, err := apikey.NewRegistry(d).Sealed(ctx)
	if err != nil {
		return nil, err
	}
	webhooks, err := endpoint.NewRegistry(d).Sealed(ctx)
	if err != nil || !keys && !webhooks {
		return nil, err
	}
	opened, err := openKeys(ctx, o, d)
	if fault.KindOf(err) == fault.Unconfigured {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	opened.Close()
	return nil, nil
}
