package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
)

const address = "https://user:pass-word@example.com/hook?token=abc"

func open(t testing.TB, d *db.DB, secret string) *endpoint.Webhooks {
	t.Helper()
	w, err := endpoint.Open(d, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func parse(t testing.TB, text string) endpoint.Address {
	t.Helper()
	a, err := endpoint.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func add(t testing.TB, all *endpoint.Webhooks, name string) endpoint.Webhook {
	t.Helper()
	w, err := all.Add(t.Context(), endpoint.Webhook{Name: name, URL: parse(t, address), Secret: endpoint.NewSecret()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func rotate(t testing.TB, all *endpoint.Webhooks, name string, secret endpoint.Secret) endpoint.Webhook {
	t.Helper()
	w, err := all.Rotate(t.Context(), name, secret)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func rotated(ctx context.Context, all *endpoint.Webhooks, name string) error {
	_, err := all.Rotate(ctx, name, endpoint.NewSecret())
	return err
}

func TestAddAndRead(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	dbtest.Run(t, db.Options{Clock: func() time.Time { return now }}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		added := add(t, all, "shop")
		want := endpoint.Webhook{
			Name: "shop", URL: parse(t, address), Secret: added.Secret, Profile: endpoint.Standard, Rate: "5/s burst 10", CreatedAt: now, ChangedAt: now,
		}
		if added != want || added.Secret.Empty() {
			t.Errorf("added %+v", added)
		}
		got, err := open(t, d, "a secret").Get(t.Context(), "shop")
		if err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
		if got.URL.Reveal() != address || got.Secret.Reveal() != added.Secret.Reveal() {
			t.Error("what was sealed is another thing now")
		}
		plain, err := all.Add(t.Context(), endpoint.Webhook{Name: "a.b-c_9", URL: parse(t, "http://localhost:1"), Profile: endpoint.Seed, Rate: "1/m"})
		if err != nil || !plain.Secret.Empty() {
			t.Fatalf("%+v, %v", plain, err)
		}
		list, err := all.List(t.Context())
		if err != nil || len(list) != 2 || list[0] != plain || list[1] != want {
			t.Errorf("listed %+v, %v", list, err)
		}
		if _, err := all.Add(t.Context(), want); !errors.Is(err, endpoint.ErrExists) {
			t.Errorf("added twice: %v", err)
		}
		if _, err := all.Get(t.Context(), "missing"); !errors.Is(err, endpoint.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestNothingReadableIsStored(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		w := add(t, all, "shop")
		rotate(t, all, "shop", endpoint.NewSecret())
		var url, secret, old []byte
		if err := d.QueryRow(t.Context(), "SELECT url, secret, old_secret FROM webhooks").Scan(&url, &secret, &old); err != nil {
			t.Fatal(err)
		}
		for _, stored := range [][]byte{url, secret, old} {
			for _, hidden := range []string{"example.com", "pass-word", string(w.Secret.Key()), w.Secret.Reveal()} {
				if len(stored) == 0 || bytes.Contains(stored, []byte(hidden)) {
					t.Errorf("%q holds %q", stored, hidden)
				}
			}
		}
	})
}

// Whoever can write to the store can remove a webhook, and not make it another one.
func TestWhatIsSealedStaysInItsPlace(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		for _, set := range []string{
			"url = (SELECT url FROM webhooks WHERE name = 'two')", "url = secret", "secret = url",
			"secret = (SELECT secret FROM webhooks WHERE name = 'two')",
		} {
			add(t, all, "one")
			add(t, all, "two")
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "UPDATE webhooks SET "+set+" WHERE name = 'one'")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := all.Get(t.Context(), "one"); !errors.Is(err, endpoint.ErrSecretDiffers) {
				t.Errorf("%s: %v", set, err)
			}
			for _, name := range []string{"one", "two"} {
				if err := all.Remove(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestAnotherSecret(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		if sealed, err := endpoint.NewRegistry(d).Sealed(t.Context()); err != nil || sealed {
			t.Errorf("an empty store is sealed: %v, %v", sealed, err)
		}
		add(t, open(t, d, "a secret"), "shop")
		other := open(t, d, "another secret")
		for what, try := range map[string]func() error{
			"get":    func() error { _, err := other.Get(t.Context(), "shop"); return err },
			"list":   func() error { _, err := other.List(t.Context()); return err },
			"rotate": func() error { return rotated(t.Context(), other, "shop") },
			"add": func() error {
				_, err := other.Add(t.Context(), endpoint.Webhook{Name: "till", URL: parse(t, address)})
				return err
			},
		} {
			err := try()
			if !errors.Is(err, endpoint.ErrSecretDiffers) || fault.KindOf(err) != fault.Unconfigured || fault.HintOf(err) == "" {
				t.Errorf("%s: %v", what, err)
			}
		}
		registry := endpoint.NewRegistry(d)
		if sealed, err := registry.Sealed(t.Context()); err != nil || !sealed {
			t.Errorf("sealed: %v, %v", sealed, err)
		}
		if err := registry.Remove(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		add(t, other, "shop")
		if _, err := other.List(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRotation(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		first := add(t, all, "shop")
		second, third := endpoint.NewSecret(), endpoint.NewSecret()
		signs := func(newer, older endpoint.Secret) {
			t.Helper()
			w, err := all.Get(t.Context(), "shop")
			if err != nil || w.Secret != newer || w.OldSecret != older {
				t.Errorf("signed with others: %v", err)
			}
		}
		if got := rotate(t, all, "shop", second); got.Secret != second || got.OldSecret != first.Secret {
			t.Error("it gives others")
		}
		signs(second, first.Secret)
		if _, err := all.Rotate(t.Context(), "shop", third); !errors.Is(err, endpoint.ErrRotating) {
			t.Errorf("rotated twice: %v", err)
		}
		signs(second, first.Secret)
		for range 2 {
			if err := all.FinishRotation(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
			signs(second, endpoint.Secret{})
		}
		for what, err := range map[string]error{
			"rotate": rotated(t.Context(), all, "missing"), "finish": all.FinishRotation(t.Context(), "missing"),
		} {
			if !errors.Is(err, endpoint.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := all.Rotate(t.Context(), "shop", endpoint.Secret{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("rotated to nothing: %v", err)
		}
		// One that was not signed is signed from then on.
		if _, err := all.Add(t.Context(), endpoint.Webhook{Name: "plain", URL: parse(t, address)}); err != nil {
			t.Fatal(err)
		}
		rotate(t, all, "plain", third)
		if w, err := all.Get(t.Context(), "plain"); err != nil || w.Secret != third || !w.OldSecret.Empty() {
			t.Errorf("%+v, %v", w, err)
		}
	})
}

func TestRemoveAndAddAgain(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		add(t, all, "shop")
		if err := all.Remove(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		var left int
		err := d.QueryRow(t.Context(), "SELECT coalesce(length(url), 0) + coalesce(length(secret), 0) + coalesce(length(old_secret), 0) FROM webhooks").Scan(&left)
		if err != nil || left != 0 {
			t.Errorf("%d bytes are left of URL and secrets, %v", left, err)
		}
		if list, err := all.List(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("listed %v, %v", list, err)
		}
		for what, err := range map[string]error{
			"remove": all.Remove(t.Context(), "shop"), "finish": all.FinishRotation(t.Context(), "shop"),
			"rotate": rotated(t.Context(), all, "shop"),
		} {
			if !errors.Is(err, endpoint.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		again := add(t, all, "shop")
		if got, err := all.Get(t.Context(), "shop"); err != nil || got != again {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestUpdate(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		add(t, all, "shop")
		other := add(t, all, "other")
		want := rotate(t, all, "shop", endpoint.NewSecret())
		for _, test := range []struct {
			change endpoint.Change
			apply  func(w *endpoint.Webhook)
		}{
			{endpoint.Change{}, func(*endpoint.Webhook) {}},
			{endpoint.Change{URL: parse(t, "http://localhost/new")}, func(w *endpoint.Webhook) { w.URL = parse(t, "http://localhost/new") }},
			{endpoint.Change{Profile: endpoint.Seed, Rate: "7/s"}, func(w *endpoint.Webhook) { w.Profile, w.Rate = endpoint.Seed, "7/s" }},
		} {
			given, err := all.Update(t.Context(), "shop", test.change)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := all.Get(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			test.apply(&want)
			want.ChangedAt = given.ChangedAt
			if given != want || kept != want {
				t.Errorf("%+v: given %+v, kept %+v, want %+v", test.change, given, kept, want)
			}
		}
		if kept, err := all.Get(t.Context(), "other"); err != nil || kept != other {
			t.Errorf("another is %+v, %v", kept, err)
		}
		if _, err := all.Update(t.Context(), "shop", endpoint.Change{Profile: "often"}); fault.CodeOf(err) != "webhook_profile" {
			t.Errorf("a bad profile: %v", err)
		}
		if err := all.Remove(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"other", "nobody"} {
			if _, err := all.Update(t.Context(), name, endpoint.Change{Rate: "1/s"}); !errors.Is(err, endpoint.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := open(t, d, "another secret").Update(t.Context(), "shop", endpoint.Change{Rate: "1/s"}); !errors.Is(err, endpoint.ErrSecretDiffers) {
			t.Errorf("another secret: %v", err)
		}
		if kept, err := all.Get(t.Context(), "shop"); err != nil || kept != want {
			t.Errorf("after refusals: %+v, %v", kept, err)
		}
	})
}

func TestVersion(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		before := map[string]string{}
		changed := func(what string, want bool) {
			t.Helper()
			v, err := all.Version(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if (v != before["is"]) != want {
				t.Errorf("%s: changed is %v", what, !want)
			}
			before["is"] = v
		}
		changed("nothing", false)
		add(t, all, "shop")
		changed("add", true)
		if _, err := all.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = all.Add(t.Context(), endpoint.Webhook{Name: "shop", URL: parse(t, address)})
		changed("reading, and what failed", false)
		rotate(t, all, "shop", endpoint.NewSecret())
		changed("rotate", true)
		if err := all.FinishRotation(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		changed("finish", true)
		if _, err := all.Update(t.Context(), "shop", endpoint.Change{Rate: "1/s"}); err != nil {
			t.Fatal(err)
		}
		changed("update", true)
		if err := all.Remove(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		changed("remove", true)
	})
}

func TestAddRefuses(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		good := endpoint.Webhook{Name: "shop", URL: parse(t, address)}
		for code, spoil := range map[string][]func(*endpoint.Webhook){
			"webhook_url":     {func(w *endpoint.Webhook) { w.URL = endpoint.Address{} }},
			"webhook_profile": {func(w *endpoint.Webhook) { w.Profile = "often" }},
			"webhook_name":    nil,
		} {
			if code == "webhook_name" {
				for _, name := range []string{"", "Shop", "-a", ".a", "_a", "a b", "a\n", "a/b", "ä", strings.Repeat("x", 64)} {
					spoil = append(spoil, func(w *endpoint.Webhook) { w.Name = name })
				}
			}
			for _, s := range spoil {
				w := good
				s(&w)
				if _, err := all.Add(t.Context(), w); fault.CodeOf(err) != code || fault.KindOf(err) != fault.Invalid {
					t.Errorf("%+v: %v", w, err)
				}
			}
		}
	})
}

// However many do the same at once, one does it.
func TestOneAddsAndOneRotates(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		once := func(refusal error, do func(context.Context) error) {
			t.Helper()
			errs := make([]error, 16)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { errs[i] = do(t.Context()) })
			}
			wg.Wait()
			done := 0
			for _, err := range errs {
				if err == nil {
					done++
				} else if !errors.Is(err, refusal) {
					t.Error(err)
				}
			}
			if done != 1 {
				t.Errorf("%d did it", done)
			}
		}
		once(endpoint.ErrExists, func(ctx context.Context) error {
			_, err := all.Add(ctx, endpoint.Webhook{Name: "shop", URL: parse(t, address), Secret: endpoint.NewSecret()})
			return err
		})
		once(endpoint.ErrRotating, func(ctx context.Context) error { return rotated(ctx, all, "shop") })
		once(endpoint.ErrNotFound, func(ctx context.Context) error { return all.Remove(ctx, "shop") })
	})
}

func TestWebhooksAreBounded(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		all := open(t, d, "a secret")
		add(t, all, "first")
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			for i := range 999 {
				_, err := tx.Exec(t.Context(), `INSERT INTO webhooks (name, url, profile, rate, created_at, changed_at)
					SELECT $1, url, profile, rate, created_at, changed_at FROM webhooks WHERE name = 'first'`, fmt.Sprintf("n%d", i))
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all.Add(t.Context(), endpoint.Webhook{Name: "more", URL: parse(t, address)}); fault.CodeOf(err) != "too_many_webhooks" {
			t.Error(err)
		}
	})
}
