package app

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/config"
	"ferryman/internal/ledger"
	"ferryman/internal/sandbox/shop"
	"ferryman/internal/testwait"
)

// shopKeys gives the prefixes of the shop's keys by their state.
func shopKeys(t *testing.T, a *Admin) map[apikey.State][]string {
	t.Helper()
	keys, err := a.Apps.List(t.Context(), shop.Application)
	if err != nil {
		t.Fatal(err)
	}
	all := map[apikey.State][]string{}
	for _, k := range keys {
		if k.Scope != apikey.Ping {
			t.Errorf("a key of scope %s", k.Scope)
		}
		all[k.State(a.Now())] = append(all[k.State(a.Now())], k.Prefix)
	}
	return all
}

// The shop is set up once, reports while the server runs, and leaves neither keys nor
// executions behind; what people have changed of its crons stays.
func TestShopOverRestarts(t *testing.T) {
	o := options(t, config.SQLiteURL(filepath.Join(t.TempDir(), "store.db")), "FERRYMAN_LISTEN=127.0.0.1:0")
	o.Shop = true
	a, err := OpenAdmin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	count := func(app int64) (crons int, runs int64) {
		page, err := a.Ledger.Crons(t.Context(), ledger.CronFilter{App: app, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			runs += c.Runs
		}
		return len(page), runs
	}
	var weekly ledger.Cron
	run := func(keys int, until func(app int64) bool) int64 {
		s, err := NewServer(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ready, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
		testwait.Receive(t, ready)
		app, err := a.Apps.Application(t.Context(), shop.Application)
		if err != nil {
			t.Fatalf("of a server that is ready: %v", err)
		}
		if crons, _ := count(app.ID); crons != len(shop.Crons(a.Now())) {
			t.Errorf("a server that is ready has %d crons of the shop", crons)
		}
		if weekly, err = a.Ledger.Cron(t.Context(), app.ID, ledger.Ref{Slug: "report-weekly"}); err != nil {
			t.Fatal(err)
		}
		testwait.Until(t, "the shop reports", func() bool { return until(app.ID) })
		again, err := a.Ledger.Cron(t.Context(), app.ID, ledger.Ref{Slug: "report-weekly"})
		if err != nil || a.Now().Before(weekly.LateAt) && !again.LateAt.Equal(weekly.LateAt) {
			t.Errorf("the past has the report late at %v, and not at %v; %v", again.LateAt, weekly.LateAt, err)
		}
		if live := shopKeys(t, a)[apikey.Live]; len(live) != keys {
			t.Errorf("the keys %v are live", live)
		}
		stop()
		if err := testwait.Receive(t, ended); err != nil {
			t.Error(err)
		}
		return app.ID
	}

	app := run(1, func(app int64) bool {
		_, runs := count(app)
		return runs > 50
	})
	if keys := shopKeys(t, a); len(keys[apikey.Live]) != 0 || len(keys[apikey.Revoked]) != 1 {
		t.Errorf("after the stop there are the keys %v", keys)
	}
	if weekly.LateAt.After(weekly.CreatedAt.Add(2 * time.Minute)) {
		t.Errorf("the report is late at %v, made at %v", weekly.LateAt, weekly.CreatedAt)
	}
	_, err = a.Ledger.Change(t.Context(), app, ledger.Ref{Slug: "price-feed"}, func(slug *string, s *ledger.Settings) {
		*slug, s.Name = "prices", "Prices"
	})
	if err != nil {
		t.Fatal(err)
	}

	// A key that somebody has made, and one that a server left that was killed.
	keys, err := a.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := keys.Create(t.Context(), shop.Application, apikey.Ping, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	left := &Server{o: o, db: a.db, keys: keys}
	if _, err := left.shopKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, before := count(app)
	run(2, func(app int64) bool {
		_, runs := count(app)
		return runs > before
	})
	if keys := shopKeys(t, a); !slices.Equal(keys[apikey.Live], []string{own.Prefix}) || len(keys[apikey.Revoked]) != 3 {
		t.Errorf("after another start there are the keys %v", keys)
	}
	crons, err := a.Ledger.Crons(t.Context(), ledger.CronFilter{App: app, Limit: 100})
	if err != nil || len(crons) != len(shop.Crons(a.Now())) || !slices.ContainsFunc(crons, func(c ledger.CronStatus) bool { return c.Name == "Prices" }) {
		t.Errorf("the crons are %v, %v", crons, err)
	}
	for _, c := range crons {
		if c.Running > 0 {
			t.Errorf("of %s there still run %d", c.Slug, c.Running)
		}
	}
}
