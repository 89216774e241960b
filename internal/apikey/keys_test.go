package apikey_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
)

const secret = "0123456789abcdef0123456789abcdef"

// clock is a clock that tests move.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time         { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) elapsed() time.Duration { return time.Duration(c.micros.Load()) * time.Microsecond }
func (c *clock) add(d time.Duration)    { c.micros.Add(d.Microseconds()) }
func (c *clock) options() db.Options    { return db.Options{Clock: c.now} }

func open(t testing.TB, d *db.DB, secret string) *apikey.Keys {
	t.Helper()
	k, err := apikey.Open(t.Context(), d, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// openAt opens keys whose snapshot ages by the clock.
func openAt(t testing.TB, d *db.DB, c *clock) *apikey.Keys {
	t.Helper()
	begun := c.elapsed()
	k := open(t, d, secret)
	k.SetElapsed(func() time.Duration { return c.elapsed() - begun })
	return k
}

func create(t testing.TB, k *apikey.Keys, app string, scope apikey.Scope) (made apikey.Key, key string) {
	t.Helper()
	made, key, err := k.Create(t.Context(), app, scope, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func addApplication(t testing.TB, k *apikey.Keys, name string) apikey.Application {
	t.Helper()
	a, err := k.AddApplication(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func refused(t testing.TB, k *apikey.Keys, what, key string) {
	t.Helper()
	id, err := k.Authenticate(t.Context(), key)
	if !errors.Is(err, apikey.ErrUnauthorized) || id != (apikey.Identity{}) {
		t.Errorf("%s: got %+v, %v", what, id, err)
	}
	if err != nil && err.Error() != apikey.ErrUnauthorized.Error() {
		t.Errorf("%s: says %q", what, err)
	}
}

func accepted(t testing.TB, k *apikey.Keys, what, key string) apikey.Identity {
	t.Helper()
	id, err := k.Authenticate(t.Context(), key)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return id
}

func TestKeyFromBirthToEnd(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		shop := addApplication(t, k, "shop")
		if live, err := k.Any(t.Context()); live || err != nil {
			t.Error("a key before the first:", err)
		}
		made, key := create(t, k, "shop", apikey.Read)
		if live, err := k.Any(t.Context()); !live || err != nil {
			t.Error("no key after the first:", err)
		}
		if made.ID == 0 || made.AppID != shop.ID || made.App != "shop" || made.Prefix != key[3:11] || made.Scope != apikey.Read ||
			!made.CreatedAt.Equal(c.now()) || !made.ExpiresAt.IsZero() {
			t.Errorf("made %+v", made)
		}
		want := apikey.Identity{KeyID: made.ID, AppID: shop.ID, App: "shop", Prefix: made.Prefix, Scope: apikey.Read}
		if id := accepted(t, k, "new", key); id != want {
			t.Errorf("got %+v", id)
		}
		if all, err := k.List(t.Context(), "shop"); err != nil || len(all) != 1 || all[0].State(c.now()) != apikey.Live {
			t.Errorf("listed %+v, %v", all, err)
		}
		revoked := c.now()
		for _, name := range []string{made.Prefix, "fm_" + made.Prefix, key} { // the first ends it
			if prefix, err := k.Revoke(t.Context(), name); err != nil || prefix != made.Prefix {
				t.Errorf("revoke: %q, %v", prefix, err)
			}
			c.add(time.Second)
		}
		if all, err := k.List(t.Context(), ""); err != nil || len(all) != 1 || !all[0].RevokedAt.Equal(revoked) || all[0].State(c.now()) != apikey.Revoked {
			t.Errorf("listed %+v, %v", all, err)
		}
		if live, err := k.Any(t.Context()); live || err != nil {
			t.Error("a key after the last:", err)
		}
	})
}

func TestAKeyTellsItsApplicationAndScope(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		addApplication(t, k, "shop")
		for _, app := range []string{"shop", apikey.BuiltIn} {
			for _, scope := range apikey.Scopes() {
				_, key := create(t, k, app, scope)
				if id := accepted(t, k, app, key); id.App != app || id.Scope != scope {
					t.Errorf("%s %s: %+v", app, scope, id)
				}
			}
		}
	})
}

func TestScopes(t *testing.T) {
	all := apikey.Scopes()
	if want := []apikey.Scope{"ping", "read", "admin"}; !slices.Equal(all, want) {
		t.Fatal(all)
	}
	for _, s := range all {
		for _, other := range all {
			if s.Includes(other) != (s == other || s == apikey.Admin) {
				t.Errorf("%s includes %s: %v", s, other, s.Includes(other))
			}
		}
		if s.Includes("root") || apikey.Scope("root").Includes(s) {
			t.Errorf("%s and an unknown scope include one another", s)
		}
	}
}

// Whatever is wrong with a key, the answer is the same.
func TestRefusedKeys(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		_, key := create(t, k, apikey.BuiltIn, apikey.Ping)
		_, other := create(t, k, apikey.BuiltIn, apikey.Ping)
		_, ended := create(t, k, apikey.BuiltIn, apikey.Ping)
		_, short, err := k.Create(t.Context(), apikey.BuiltIn, apikey.Ping, c.now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Revoke(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		accepted(t, k, "right", key)
		accepted(t, k, "not expired", short)
		refused(t, k, "missing", "")
		refused(t, k, "malformed", "secret")
		refused(t, k, "another brand", "xx_"+key[3:])
		refused(t, k, "upper case", strings.ToUpper(key))
		refused(t, k, "longer", key+"0")
		refused(t, k, "twice", key+", "+key)
		refused(t, k, "unknown", apikey.Generate())
		refused(t, k, "another key's secret", key[:11]+other[11:])
		refused(t, k, "revoked", ended)
		c.add(time.Hour - time.Microsecond)
		accepted(t, k, "about to expire", short)
		c.add(time.Microsecond)
		refused(t, k, "expired", short)
		accepted(t, k, "right, still", key)
	})
}

func TestWrongRequestsForKeys(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		for _, test := range []struct {
			app     string
			scope   apikey.Scope
			expires time.Time
			code    string
		}{
			{"shop", apikey.Ping, time.Time{}, "application_unknown"},
			{apikey.BuiltIn, "root", time.Time{}, "key_scope"},
			{apikey.BuiltIn, "", time.Time{}, "key_scope"},
			{apikey.BuiltIn, apikey.Ping, c.now(), "key_expiry"},
		} {
			if _, key, err := k.Create(t.Context(), test.app, test.scope, test.expires); fault.CodeOf(err) != test.code || key != "" {
				t.Errorf("%+v: %v", test, err)
			}
		}
		key := apikey.Generate()
		_, err := k.Revoke(t.Context(), key)
		if !errors.Is(err, apikey.ErrNoKey) || strings.Contains(err.Error(), key[3:]) {
			t.Errorf("revoke: %v", err)
		}
		_, err = k.Revoke(t.Context(), key+"x")
		if fault.CodeOf(err) != "key_prefix" || strings.Contains(err.Error(), key[3:]) {
			t.Errorf("revoke: %v", err)
		}
		for _, err := range []error{
			func() error { _, err := k.List(t.Context(), "shop"); return err }(),
			func() error { _, err := k.RevokeAll(t.Context(), "shop"); return err }(),
		} {
			if !errors.Is(err, apikey.ErrNoApplication) {
				t.Errorf("of an unknown application: %v", err)
			}
		}
		if all, err := k.List(t.Context(), ""); err != nil || len(all) != 0 {
			t.Errorf("left %+v, %v", all, err)
		}
	})
}

// The store holds nothing that a key could be made from.
func TestStoreHoldsNoKey(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		_, key := create(t, open(t, d, secret), apikey.BuiltIn, apikey.Admin)
		var hash []byte
		var marks string
		if err := d.QueryRow(t.Context(), "SELECT hash FROM api_keys").Scan(&hash); err != nil {
			t.Fatal(err)
		}
		if err := d.QueryRow(t.Context(), "SELECT value FROM marks WHERE name = 'keys_secret'").Scan(&marks); err != nil {
			t.Fatal(err)
		}
		if len(hash) != 32 || strings.Contains(string(hash), key[11:]) || strings.Contains(marks, secret) {
			t.Errorf("hash of %d bytes, mark %s", len(hash), marks)
		}
	})
}

func TestLiveKeysHaveOneSecret(t *testing.T) {
	const another = "another secret of thirty-two characters"
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		mine, theirs := openAt(t, d, c), open(t, d, another) // while there are no keys, any will do
		_, key := create(t, mine, apikey.BuiltIn, apikey.Ping)
		if _, _, err := theirs.Create(t.Context(), apikey.BuiltIn, apikey.Ping, time.Time{}); !errors.Is(err, apikey.ErrSecretDiffers) {
			t.Errorf("create: %v", err)
		}
		if _, err := theirs.Authenticate(t.Context(), key); !errors.Is(err, apikey.ErrSecretDiffers) {
			t.Errorf("authenticate: %v", err)
		}
		if _, err := apikey.Open(t.Context(), d, []byte(another)); !errors.Is(err, apikey.ErrSecretDiffers) || strings.Contains(err.Error(), another) {
			t.Errorf("open: %v", err)
		}
		open(t, d, secret)

		// Once they are ended, others can be made.
		if n, err := theirs.RevokeAll(t.Context(), ""); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		_, key = create(t, open(t, d, another), apikey.BuiltIn, apikey.Ping)
		c.add(time.Second)
		for range 2 {
			if _, err := mine.Authenticate(t.Context(), key); !errors.Is(err, apikey.ErrSecretDiffers) {
				t.Errorf("authenticate: %v", err)
			}
		}
	})
}

func TestEndedKeysAreForgotten(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		addApplication(t, k, "shop")
		kept, _ := create(t, k, "shop", apikey.Ping)
		first, _ := create(t, k, apikey.BuiltIn, apikey.Ping)
		var last apikey.Key
		for range 105 {
			last, _ = create(t, k, "shop", apikey.Ping)
			if _, err := k.Revoke(t.Context(), last.Prefix); err != nil {
				t.Fatal(err)
			}
		}
		create(t, k, "shop", apikey.Ping)
		all, err := k.List(t.Context(), "shop")
		if err != nil || len(all) != 102 || all[0].ID != kept.ID || all[100].ID != last.ID {
			t.Errorf("%d are kept: %v", len(all), err)
		}
		if all, err := k.List(t.Context(), apikey.BuiltIn); err != nil || len(all) != 1 || all[0].ID != first.ID {
			t.Errorf("another application's: %+v, %v", all, err)
		}
	})
}
