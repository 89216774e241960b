package apikey_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

func signIn(t testing.TB, s *apikey.Sessions, key string) (token string, began apikey.Session) {
	t.Helper()
	token, began, err := s.SignIn(t.Context(), key, "192.0.2.7", "a browser")
	if err != nil {
		t.Fatal(err)
	}
	return token, began
}

func find(t testing.TB, s *apikey.Sessions, token string) apikey.Session {
	t.Helper()
	found, err := s.Find(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// over checks that a session has ended.
func over(t testing.TB, s *apikey.Sessions, what, token string) {
	t.Helper()
	found, err := s.Find(t.Context(), token)
	if !errors.Is(err, apikey.ErrNotSignedIn) || found != (apikey.Session{}) || err.Error() != apikey.ErrNotSignedIn.Error() {
		t.Errorf("%s: found %+v, %v", what, found, err)
	}
	all, err := s.List(t.Context())
	if err != nil || len(all) != 0 {
		t.Errorf("%s: listed are %+v, %v", what, all, err)
	}
}

func TestASession(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		shop := addApplication(t, k, "shop")
		made, key := create(t, k, "shop", apikey.Read)
		s := apikey.NewSessions(k)
		token, began := signIn(t, s, key)
		want := apikey.Session{
			ID: began.ID, Identity: apikey.Identity{KeyID: made.ID, AppID: shop.ID, App: "shop", Prefix: made.Prefix, Scope: apikey.Read},
			CreatedAt: c.now(), SeenAt: c.now(), ExpiresAt: c.now().Add(7 * 24 * time.Hour), Remote: "192.0.2.7", Agent: "a browser",
		}
		if began != want || find(t, s, token) != want {
			t.Errorf("began %+v, found %+v, want %+v", began, find(t, s, token), want)
		}
		other, second := signIn(t, s, key)
		c.add(30 * time.Second)
		find(t, s, other)
		c.add(31 * time.Second)
		want.SeenAt = c.now()
		if found := find(t, s, token); found != want {
			t.Errorf("after a minute it is %+v, want %+v", found, want)
		}
		if all, err := s.List(t.Context()); err != nil || !reflect.DeepEqual(all, []apikey.Session{want, second}) {
			t.Errorf("listed are %+v, %v", all, err)
		}
		if err := s.End(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Find(t.Context(), other); !errors.Is(err, apikey.ErrNotSignedIn) {
			t.Errorf("after signing out: %v", err)
		}
		if found := find(t, s, token); found != want {
			t.Errorf("the other one is %+v", found)
		}
	})
}

func TestWhatEndsASession(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		s := apikey.NewSessions(k)
		elsewhere := apikey.NewRegistry(d) // nothing in its memory, or in that of k, tells of the change
		n := 0
		for what, end := range map[string]func(app string, made apikey.Key, token string, began apikey.Session) error{
			"signed out": func(_ string, _ apikey.Key, token string, _ apikey.Session) error { return s.End(t.Context(), token) },
			"revoked":    func(_ string, _ apikey.Key, _ string, b apikey.Session) error { return s.Revoke(t.Context(), b.ID) },
			"key revoked": func(_ string, made apikey.Key, _ string, _ apikey.Session) error {
				_, err := elsewhere.Revoke(t.Context(), made.Prefix)
				return err
			},
			"application removed": func(app string, _ apikey.Key, _ string, _ apikey.Session) error {
				return elsewhere.RemoveApplication(t.Context(), app, true)
			},
			"not used for 12 hours": func(string, apikey.Key, string, apikey.Session) error { c.add(12 * time.Hour); return nil },
			"used for 7 days": func(_ string, _ apikey.Key, token string, b apikey.Session) error {
				for c.add(10 * time.Hour); c.now().Before(b.ExpiresAt); c.add(10 * time.Hour) {
					find(t, s, token)
				}
				return nil
			},
		} {
			n++
			app := fmt.Sprint("app", n)
			addApplication(t, k, app)
			made, key := create(t, k, app, apikey.Admin)
			token, began := signIn(t, s, key)
			c.add(12*time.Hour - 1000)
			if found := find(t, s, token); found.ID != began.ID {
				t.Errorf("before it was %s: %+v", what, found)
			}
			if err := end(app, made, token, began); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			over(t, s, what, token)
			if err := s.End(t.Context(), token); err != nil {
				t.Errorf("%s: to sign out then gives %v", what, err)
			}
		}
		if n != 6 {
			t.Errorf("%d ways were tried", n)
		}
	})
}

// What no person does keeps no session from ending.
func TestToPeekIsNoUse(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		addApplication(t, k, "shop")
		_, key := create(t, k, "shop", apikey.Read)
		s := apikey.NewSessions(k)
		token, began := signIn(t, s, key)
		for range 2 {
			c.add(5 * time.Hour)
			if found, err := s.Peek(t.Context(), token); err != nil || found != began {
				t.Errorf("found %+v, %v, want %+v", found, err, began)
			}
		}
		c.add(2 * time.Hour)
		if _, err := s.Peek(t.Context(), token); !errors.Is(err, apikey.ErrNotSignedIn) {
			t.Errorf("after twelve hours: %v", err)
		}
	})
}

func TestASessionEndsWithItsKey(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		s := apikey.NewSessions(k)
		addApplication(t, k, "shop")
		expires := c.now().Add(time.Hour)
		_, key, err := k.Create(t.Context(), "shop", apikey.Admin, expires)
		if err != nil {
			t.Fatal(err)
		}
		token, began := signIn(t, s, key)
		if !began.ExpiresAt.Equal(expires) {
			t.Errorf("ends at %s, its key at %s", began.ExpiresAt, expires)
		}
		c.add(time.Hour - time.Microsecond)
		find(t, s, token)
		c.add(time.Microsecond)
		over(t, s, "expired", token)
	})
}

func TestWhoCannotSignIn(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		s := apikey.NewSessions(k)
		addApplication(t, k, "shop")
		_, reports := create(t, k, "shop", apikey.Ping)
		gone, revoked := create(t, k, "shop", apikey.Admin)
		if _, err := k.Authenticate(t.Context(), revoked); err != nil {
			t.Fatal(err)
		}
		// What k has in memory is not a second old: there the key is good still.
		if _, err := apikey.NewRegistry(d).Revoke(t.Context(), gone.Prefix); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]error{
			"": apikey.ErrUnauthorized, "fm_" + strings.Repeat("0", 40): apikey.ErrUnauthorized, revoked: apikey.ErrUnauthorized, reports: apikey.ErrReportsOnly,
		} {
			token, began, err := s.SignIn(t.Context(), key, "", "")
			if !errors.Is(err, want) || token != "" || began != (apikey.Session{}) {
				t.Errorf("with %q: %q, %+v, %v, want %v", key, token, began, err, want)
			}
			if key != "" && err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, began), key[11:]) {
				t.Errorf("the key stands in %v", err)
			}
		}
		for _, token := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 42) + "B", strings.Repeat("ä", 22), strings.Repeat("A", 1<<20)} {
			over(t, s, "never begun", token)
			if err := s.End(t.Context(), token); err != nil {
				t.Errorf("%.50q: %v", token, err)
			}
		}
		if err := s.Revoke(t.Context(), 1); !errors.Is(err, apikey.ErrNoSession) {
			t.Errorf("to revoke what there is not: %v", err)
		}
	})
}

func TestTheStoreHoldsNoToken(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		s := apikey.NewSessions(k)
		addApplication(t, k, "shop")
		_, key := create(t, k, "shop", apikey.Admin)
		token, began := signIn(t, s, key)
		if len(token) != 43 || strings.Contains(fmt.Sprintf("%+v", began), token) {
			t.Errorf("token %q of %+v", token, began)
		}
		var hash []byte
		if err := d.QueryRow(t.Context(), "SELECT token_hash FROM sessions").Scan(&hash); err != nil || len(hash) != 32 {
			t.Fatalf("%d bytes, %v", len(hash), err)
		}
		// What the store holds is not what one signs in with.
		over := string(hash)
		if _, err := s.Find(t.Context(), over); !errors.Is(err, apikey.ErrNotSignedIn) {
			t.Errorf("the hash finds %v", err)
		}
	})
}

func TestSessionsAreFew(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		s := apikey.NewSessions(k)
		addApplication(t, k, "shop")
		_, key := create(t, k, "shop", apikey.Admin)
		_, others := create(t, k, "shop", apikey.Read)
		kept, _ := signIn(t, s, others)
		first, _ := signIn(t, s, key)
		second, _ := signIn(t, s, key)
		for range 49 {
			signIn(t, s, key)
		}
		if _, err := s.Find(t.Context(), first); !errors.Is(err, apikey.ErrNotSignedIn) {
			t.Errorf("the oldest of 51: %v", err)
		}
		find(t, s, second)
		find(t, s, kept)
		c.add(12 * time.Hour)
		signIn(t, s, key)
		var n int
		if err := d.QueryRow(t.Context(), "SELECT count(*) FROM sessions").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d are left of those that ended, %v", n, err)
		}
	})
}

func TestWhatAClientSaysOfItselfIsCut(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		s := apikey.NewSessions(k)
		addApplication(t, k, "shop")
		_, key := create(t, k, "shop", apikey.Admin)
		token, began, err := s.SignIn(t.Context(), key, "a\x00b\xff", strings.Repeat("x", 199)+"ö")
		if err != nil {
			t.Fatal(err)
		}
		if began.Remote != "ab" || began.Agent != strings.Repeat("x", 199) || find(t, s, token).Agent != began.Agent {
			t.Errorf("kept as %+v", began)
		}
	})
}

func TestAnyViewer(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		addApplication(t, k, "shop")
		check := func(what string, want bool) {
			t.Helper()
			if got, err := k.AnyViewer(t.Context()); err != nil || got != want {
				t.Errorf("%s: %t, %v", what, got, err)
			}
		}
		check("without keys", false)
		create(t, k, "shop", apikey.Ping)
		check("with one that reports", false)
		made, _ := create(t, k, "shop", apikey.Read)
		check("with one that looks", true)
		if _, err := k.Revoke(t.Context(), made.Prefix); err != nil {
			t.Fatal(err)
		}
		check("when it is revoked", true) // or to revoke the last key would open the door
	})
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		addApplication(t, k, "shop")
		if _, _, err := k.Create(t.Context(), "shop", apikey.Admin, c.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		c.add(time.Hour)
		if some, err := k.AnyViewer(t.Context()); err != nil || !some {
			t.Errorf("when one has expired: %t, %v", some, err)
		}
	})
}
