package apikey_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
)

func TestApplications(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		for _, name := range []string{"shop", "0", "a_b-c", strings.Repeat("x", 100)} {
			if a := addApplication(t, k, name); a.Name != name || a.ID == 0 || !a.CreatedAt.Equal(c.now()) {
				t.Errorf("added %+v", a)
			}
		}
		for _, name := range []string{"", "Shop", "_a", "-a", "a b", "a\n", "ä", "a/b", strings.Repeat("x", 101)} {
			if _, err := k.AddApplication(t.Context(), name); fault.CodeOf(err) != "application_name" || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v", name, err)
			}
		}
		for _, name := range []string{"shop", apikey.BuiltIn} {
			if _, err := k.AddApplication(t.Context(), name); !errors.Is(err, apikey.ErrApplicationExists) {
				t.Errorf("%s again: %v", name, err)
			}
		}
		if _, err := k.Application(t.Context(), "missing"); !errors.Is(err, apikey.ErrNoApplication) {
			t.Error(err)
		}
		create(t, k, "shop", apikey.Ping)
		ended, _ := create(t, k, "shop", apikey.Ping)
		if _, err := k.Revoke(t.Context(), ended.Prefix); err != nil {
			t.Fatal(err)
		}
		addCron(t, d, "shop", "nightly")
		if a, err := k.Application(t.Context(), "shop"); err != nil || a.Keys != 1 || a.Crons != 1 {
			t.Errorf("got %+v, %v", a, err)
		}
		all, err := k.Applications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range all {
			names = append(names, a.Name)
		}
		if want := []string{"0", "a_b-c", "ferryman", "shop", strings.Repeat("x", 100)}; !slices.Equal(names, want) {
			t.Errorf("got %v", names)
		}
		if few, err := k.Names(t.Context(), 3); err != nil || !slices.Equal(few, names[:3]) {
			t.Errorf("the first names are %v, %v", few, err)
		}
	})
}

func addCron(t *testing.T, d *db.DB, app, slug string) (id int64) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(t.Context(), `INSERT INTO crons (application_id, slug, name, kind, created_at, updated_at)
			SELECT id, $2, $2, 'external', 0, 0 FROM applications WHERE name = $1 RETURNING id`, app, slug).Scan(&id)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// addExecutions adds some that have ended and one that runs, each with messages,
// and an event each.
func addExecutions(t *testing.T, d *db.DB, cron int64, many, messages int) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		for i := range many {
			var id int64
			status, ended := "success", any(1)
			if i == 0 {
				status, ended = "running", nil
			}
			err := tx.QueryRow(t.Context(), `INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at)
				SELECT id, application_id, $2, 'http', 'h', 1, $3 FROM crons WHERE id = $1 RETURNING id`, cron, status, ended).Scan(&id)
			if err != nil {
				return err
			}
			_, err = tx.Exec(t.Context(), `INSERT INTO events (cron_id, application_id, execution_id, kind, at)
				SELECT id, application_id, $2, 'failed', 1 FROM crons WHERE id = $1`, cron, id)
			if err != nil {
				return err
			}
			for seq := range messages {
				_, err := tx.Exec(t.Context(), `INSERT INTO messages (execution_id, type, message, at, seq, received_at)
					VALUES ($1, 'info', 'm', 1, $2, 1)`, id, seq+1)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, d *db.DB, table string) (n int) {
	t.Helper()
	if err := d.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRemoveApplication(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		addApplication(t, k, "shop")
		addApplication(t, k, "bare")
		addApplication(t, k, "other")
		create(t, k, "shop", apikey.Admin)
		create(t, k, "bare", apikey.Admin)
		_, key := create(t, k, "other", apikey.Admin)
		addExecutions(t, d, addCron(t, d, "shop", "chatty"), 3, 400) // more messages than go at once
		addExecutions(t, d, addCron(t, d, "shop", "busy"), 600, 1)
		addExecutions(t, d, addCron(t, d, "other", "busy"), 2, 2)

		if err := k.RemoveApplication(t.Context(), "bare", false); err != nil {
			t.Error("without crons:", err)
		}
		for name, want := range map[string]error{"shop": apikey.ErrApplicationInUse, "missing": apikey.ErrNoApplication, apikey.BuiltIn: apikey.ErrBuiltIn} {
			if err := k.RemoveApplication(t.Context(), name, false); !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := k.RemoveApplication(t.Context(), apikey.BuiltIn, true); !errors.Is(err, apikey.ErrBuiltIn) {
			t.Error(err)
		}
		if got := count(t, d, "crons"); got != 3 {
			t.Errorf("%d crons after refusals", got)
		}
		if err := k.RemoveApplication(t.Context(), "shop", true); err != nil {
			t.Fatal(err)
		}
		for table, want := range map[string]int{"applications": 2, "api_keys": 1, "crons": 1, "executions": 2, "messages": 4, "events": 2} {
			if got := count(t, d, table); got != want {
				t.Errorf("%d %s are left, want %d", got, table, want)
			}
		}
		accepted(t, k, "another application's", key)
		addApplication(t, k, "shop") // the name is free
	})
}

// A removal that was cut off has switched everything off and goes on when it is
// called again, with no need of force.
func TestRemovalGoesOn(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		addApplication(t, k, "shop")
		_, key := create(t, k, "shop", apikey.Ping)
		addExecutions(t, d, addCron(t, d, "shop", "nightly"), 2, 2)
		rename(t, d, "messages", "hidden_messages")
		if err := k.RemoveApplication(t.Context(), "shop", true); err == nil {
			t.Fatal("removed messages that it could not see")
		}
		rename(t, d, "hidden_messages", "messages")
		if got := count(t, d, "crons WHERE active OR deleted_at IS NULL"); got != 0 {
			t.Errorf("%d crons are left on", got)
		}
		c.add(1e9)
		refused(t, k, "of an application half gone", key)
		if err := k.RemoveApplication(t.Context(), "shop", false); err != nil {
			t.Fatal(err)
		}
		for table, want := range map[string]int{"applications": 1, "api_keys": 0, "crons": 0, "executions": 0, "messages": 0, "events": 0} {
			if got := count(t, d, table); got != want {
				t.Errorf("%d %s are left, want %d", got, table, want)
			}
		}
	})
}
