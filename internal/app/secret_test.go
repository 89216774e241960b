package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
)

// options are those of a node on the store at url, with a state folder of its own.
func options(t *testing.T, url string, environ ...string) Options {
	t.Helper()
	c, _, err := config.Load(config.Input{
		Dir: t.TempDir(), Environ: append(environ, "FERRYMAN_STATE_DIR="+t.TempDir(), "FERRYMAN_STORE_URL="+url),
	})
	if err != nil {
		t.Fatal(err)
	}
	return Options{Config: c, Version: "test", Log: slog.New(slog.DiscardHandler)}
}

// admin opens a store and its keys, and gives where the secret is kept.
func admin(t *testing.T, o Options) (a *Admin, file string) {
	t.Helper()
	a, err := OpenAdmin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a, secretFile(o, a.db)
}

func createKey(t *testing.T, a *Admin) (key string, err error) {
	t.Helper()
	keys, err := a.Keys(t.Context())
	if err != nil {
		return "", err
	}
	_, key, err = keys.Create(t.Context(), apikey.BuiltIn, apikey.Admin, time.Time{})
	return key, err
}

func TestSecretIsMadeOnce(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		o := options(t, url)
		a, file := admin(t, o)
		if a.db.Dialect() == db.SQLite && file != a.db.Path()+".secret" || a.db.Dialect() == db.Postgres && filepath.Dir(file) != o.Config.Store.StateDir {
			t.Errorf("kept in %s", file)
		}
		if _, err := a.Apps.Applications(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("made before it was needed: %v", err)
		}
		key, err := createKey(t, a)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode() != 0o600 || info.Size() != 65 {
			t.Errorf("%v, %v", info, err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".secret-*")); len(left) != 0 {
			t.Errorf("left %v", left)
		}
		again, _ := admin(t, o)
		keys, err := again.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if id, err := keys.Authenticate(t.Context(), key); err != nil || id.App != apikey.BuiltIn || id.Scope != apikey.Admin {
			t.Errorf("%+v, %v", id, err)
		}
	})
}

// Of processes that start together one makes the secret, and none sees half of it.
func TestSecretIsMadeByOne(t *testing.T) {
	for range 20 {
		file := filepath.Join(t.TempDir(), "state", "secret")
		var all sync.WaitGroup
		secrets := make([]string, 8)
		for i := range secrets {
			all.Go(func() {
				secret, err := readSecret(file)
				if errors.Is(err, fs.ErrNotExist) {
					if err = makeSecret(file); err == nil {
						secret, err = readSecret(file)
					}
				}
				if err != nil {
					t.Error(err)
				}
				secrets[i] = string(secret)
			})
		}
		all.Wait()
		for _, s := range secrets {
			if len(s) != 64 || s != secrets[0] {
				t.Fatal("they disagree")
			}
		}
	}
}

func TestBadSecretFiles(t *testing.T) {
	good := strings.Repeat("x", 32)
	write := func(content string, mode os.FileMode) func(string) error {
		return func(file string) error {
			return errors.Join(os.WriteFile(file, []byte(content), 0o600), os.Chmod(file, mode))
		}
	}
	for name, test := range map[string]struct {
		make func(file string) error
		want string // "" if it is good
	}{
		"good":                {write(good, 0o600), ""},
		"read-only":           {write(good+"\r\n", 0o400), ""},
		"open to the group":   {write(good, 0o640), "chmod 600 "},
		"open to all":         {write(good, 0o604), "chmod 600 "},
		"writable for others": {write(good, 0o602), "chmod 600 "},
		"empty":               {write("", 0o600), "does not hold 32 to 4096"},
		"short":               {write(good[1:]+"\n", 0o600), "does not hold 32 to 4096"},
		"large":               {write(strings.Repeat("x", 4097), 0o600), "does not hold 32 to 4096"},
		"a folder":            {func(file string) error { return os.Mkdir(file, 0o700) }, "no regular file"},
		"a pipe":              {func(file string) error { return syscall.Mkfifo(file, 0o600) }, "no regular file"},
		"a device":            {func(file string) error { return os.Symlink("/dev/null", file) }, "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := test.make(file); err != nil {
				t.Fatal(err)
			}
			secret, err := readSecret(file)
			if test.want == "" {
				if err != nil || string(secret) != good {
					t.Errorf("%d characters, %v", len(secret), err)
				}
				return
			}
			if fault.KindOf(err) != fault.Unconfigured || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), good[1:]) {
				t.Error("the error quotes the secret")
			}
		})
	}
}

func TestSecretFileThatIsALinkToNothing(t *testing.T) {
	a, file := admin(t, options(t, config.SQLiteURL(filepath.Join(t.TempDir(), "ferryman.db"))))
	if err := os.Symlink("/missing/secret", file); err != nil {
		t.Fatal(err)
	}
	if _, err := createKey(t, a); fault.CodeOf(err) != "secret_file" || !strings.Contains(err.Error(), "link to nothing") {
		t.Errorf("got %v", err)
	}
}

// A node without the secret of the store's keys makes no other: it says what it
// misses.
func TestMissingSecret(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		first, file := admin(t, options(t, url))
		if _, err := createKey(t, first); err != nil {
			t.Fatal(err)
		}
		if first.db.Dialect() == db.SQLite {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		another, file := admin(t, options(t, url))
		_, err := createKey(t, another)
		if fault.CodeOf(err) != "secret_missing" || !strings.Contains(fault.HintOf(err), "FERRYMAN_SECRET") {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("made a secret: %v", err)
		}
		if _, err := another.Apps.RevokeAll(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := createKey(t, another); err != nil {
			t.Errorf("after the end of all keys: %v", err)
		}
	})
}

func TestConfiguredSecret(t *testing.T) {
	const secret, another = "0123456789abcdef0123456789abcdef", "another secret of thirty-two characters"
	dbtest.URLs(t, func(t *testing.T, url string) {
		a, file := admin(t, options(t, url, "FERRYMAN_SECRET="+secret))
		if _, err := createKey(t, a); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("made a file: %v", err)
		}
		wrong, _ := admin(t, options(t, url, "FERRYMAN_SECRET="+another))
		_, err := createKey(t, wrong)
		if !errors.Is(err, apikey.ErrSecretDiffers) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), another) {
			t.Errorf("got %v", err)
		}
	})
}
