package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/draft"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
)

// openKeys opens the keys of a migrated store with its secret. Close what it gives.
func openKeys(ctx context.Context, o Options, d *db.DB) (*apikey.Keys, error) {
	secret, err := storeSecret(ctx, o, d)
	if err != nil {
		return nil, err
	}
	return apikey.Open(ctx, d, secret)
}

// storeSecret gives the secret of a migrated store: the one that is configured,
// or else that of the secret file. If there is no file it makes one, unless the
// store has keys or webhooks already: those were made with a secret that is
// missing here.
func storeSecret(ctx context.Context, o Options, d *db.DB) ([]byte, error) {
	if secret := o.Config.Store.Secret; !secret.Empty() {
		return []byte(secret.Reveal()), nil
	}
	file := secretFile(o, d)
	secret, err := readSecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		return firstSecret(ctx, d, file)
	}
	return secret, err
}

// secretFile is beside a SQLite store, and in the state folder otherwise.
func secretFile(o Options, d *db.DB) string {
	if d.Dialect() == db.SQLite {
		return d.Path() + ".secret"
	}
	return filepath.Join(o.Config.Store.StateDir, "secret")
}

func firstSecret(ctx context.Context, d *db.DB, file string) ([]byte, error) {
	keys, err := apikey.NewRegistry(d).Sealed(ctx)
	if err != nil {
		return nil, err
	}
	webhooks, err := endpoint.NewRegistry(d).Sealed(ctx)
	if err != nil {
		return nil, err
	}
	if keys || webhooks {
		what, remedy := "keys", "ferryman key revoke --all ends the keys"
		if !keys {
			what, remedy = "webhooks", "ferryman webhook rm removes a webhook"
		}
		return nil, &fault.Error{
			Kind: fault.Unconfigured, Code: "secret_missing",
			Detail: "the store has " + what + ", and the secret that they were made with is not here",
			Hint:   "set FERRYMAN_SECRET to that of the other nodes, or put the file " + file + " back; if it is lost, " + remedy,
		}
	}
	if err := makeSecret(file); err != nil {
		return nil, wrongSecretFile(file, err)
	}
	secret, err := readSecret(file) // another process may have made it
	if errors.Is(err, fs.ErrNotExist) {
		err = wrongSecretFile(file, errors.New("it is a link to nothing"))
	}
	return secret, err
}

// readSecret reads a secret file that nobody but its owner can read. It gives an
// error of fs.ErrNotExist if there is none.
func readSecret(file string) ([]byte, error) {
	// With O_NONBLOCK a pipe is told from a file at once.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, wrongSecretFile(file, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, wrongSecretFile(file, err)
	case !info.Mode().IsRegular():
		return nil, wrongSecretFile(file, errors.New("it is no regular file"))
	case info.Mode()&0o077 != 0:
		return nil, &fault.Error{
			Kind: fault.Unconfigured, Code: "secret_file", Detail: fmt.Sprintf("the secret file %s is open to other users", file),
			Hint: "chmod 600 " + file,
		}
	}
	const least, most = 32, 4096
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, wrongSecretFile(file, err)
	}
	secret := strings.TrimSpace(string(content))
	if len(secret) < least || len(content) > most {
		return nil, wrongSecretFile(file, fmt.Errorf("it does not hold %d to %d characters", least, most))
	}
	return []byte(secret), nil
}

// makeSecret makes a secret file, whole or not at all. That there is one already
// is no error: of several processes one makes it.
func makeSecret(file string) error {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(folder, ".secret-") // for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it is of no use to anybody
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	_, err = fmt.Fprintln(temp, hex.EncodeToString(random[:]))
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	// Unlike a renaming, a link takes nobody's place.
	if err := os.Link(temp.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return draft.SyncFolder(folder)
}

func wrongSecretFile(file string, err error) error {
	return &fault.Error{
		Kind: fault.Unconfigured, Code: "secret_file", Detail: "cannot use the secret file " + file, Err: err,
		Hint: "see to it that this user can read it and write to its folder, or set FERRYMAN_SECRET",
	}
}
