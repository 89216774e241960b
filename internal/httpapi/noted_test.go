package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
)

// What changes something is noted, but for what applications do all day.
func TestEveryChangeHasAName(t *testing.T) {
	everyDay := []string{"PATCH /api/syncall", "PATCH /api/syncast", "POST /messages/{$}"}
	s, named := open(t), 0
	for _, rt := range s.table() {
		call := rt.method + " " + rt.pattern
		if want := rt.method != http.MethodGet && !slices.Contains(everyDay, call); want != (noted(rt) != "") {
			t.Errorf("%s is noted as %q", call, noted(rt))
		}
		if noted(rt) != "" {
			named++
		}
	}
	if named != 19 {
		t.Errorf("%d calls are noted", named)
	}
	for _, rt := range s.reports.all {
		if noted(rt) != "" {
			t.Errorf("%s is noted as %q", rt.pattern, noted(rt))
		}
	}
}

func TestWhatIsDoneIsNoted(t *testing.T) {
	filled(t, func(o *office, ids []int64) {
		entries := func() []string {
			t.Helper()
			all, err := o.o.Audit.List(t.Context(), 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			lines := make([]string, len(all))
			for i, e := range all {
				if e.Remote != "127.0.0.1" {
					t.Errorf("it came from %q", e.Remote)
				}
				lines[i] = fmt.Sprintf("%s|%s|%s|%s", e.Who, e.App, e.Action, e.Target)
				if e.Detail != "" {
					lines[i] += "|" + e.Detail
				}
			}
			return lines
		}
		admin := "key fm_" + o.admin[3:11] + " (" + o.app.Name + ")|" + o.app.Name + "|"
		made := o.object(o.as(o.admin, "POST", "/api/v1/crons", `{"slug":"nightly"}`), http.StatusCreated)
		cron := fmt.Sprintf("cron %v %s/nightly", made["id"], o.app.Name)
		operators := "key fm_" + o.operator[3:11] + " (ferryman)|ferryman|"
		own, err := o.keys.Application(t.Context(), apikey.BuiltIn)
		if err != nil {
			t.Fatal(err)
		}
		sync, err := o.ledger.Create(t.Context(), own.ID, "warehouses", ledger.DefaultSettings())
		if err != nil {
			t.Fatal(err)
		}
		until := `{"until":"2026-03-02T00:00:00Z"}`
		for _, call := range []struct{ key, method, path, body, want string }{
			{o.admin, "PATCH", "/api/v1/crons/nightly", `{"slug":"daily"}`, admin + "cron.edit|" + strings.Replace(cron, "nightly", "daily", 1) + `|{"slug":"daily"}`},
			{o.admin, "PATCH", "/api/v1/crons/daily", `{"slug":"nightly"}`, admin + "cron.edit|" + cron + `|{"slug":"nightly"}`},
			{o.admin, "POST", "/api/v1/crons/nightly/pause", "", admin + "cron.pause|" + cron},
			{o.admin, "POST", "/api/v1/crons/nightly/resume", "", admin + "cron.resume|" + cron},
			{o.operator, "POST", fmt.Sprintf("/api/v1/crons/%v/snooze", made["id"]), until, operators + "cron.snooze|" + cron + "|" + until},
			{o.admin, "POST", "/api/v1/crons/nightly/release", `{"reason":"it hangs"}`, admin + "cron.release|" + cron + `|0 runs, {"reason":"it hangs"}`},
			{o.admin, "DELETE", "/api/v1/crons/nightly", "", admin + "cron.delete|" + cron},
			{"", "POST", "/api/v1/outbox/channels/telegram/pause", `{"reason":"why"}`, `local||channel.pause|channel telegram|{"reason":"why"}`},
			{"", "POST", "/api/v1/outbox/channels/webhook/orders/pause", `{"reason":"why"}`, `local||channel.pause|channel webhook/orders|{"reason":"why"}`},
			{"", "POST", "/api/v1/outbox/channels/telegram/resume", "", "local||channel.resume|channel telegram"},
			{"", "POST", "/api/v1/outbox/replay", `{"channel":"viber"}`, `local||outbox.replay|outbox|{"channel":"viber"}`},
			{"", "POST", fmt.Sprintf("/api/v1/deliveries/%d/cancel", ids[0]), "", fmt.Sprintf("local||delivery.cancel|delivery %d", ids[0])},
			{"", "POST", fmt.Sprintf("/api/v1/deliveries/%d/retry", ids[18]), "", fmt.Sprintf("local||delivery.retry|delivery %d", ids[18])},
			{"", "PATCH", fmt.Sprintf("/messages/%d/", ids[2]), `{"start_at":null,"text":"hello"}`, fmt.Sprintf(`local||delivery.move|delivery %d|{"start_at":null}`, ids[2])},
			{"", "DELETE", fmt.Sprintf("/messages/%d", ids[2]), "", fmt.Sprintf("local||delivery.cancel|delivery %d", ids[2])},
			{"", "POST", fmt.Sprintf("/messages/%d/retry/", ids[4]), "", fmt.Sprintf("local||delivery.retry|delivery %d", ids[4])},
			{"", "POST", "/api/v1/syncs/warehouses/run", "", fmt.Sprintf("local||cron.run|cron %d ferryman/warehouses", sync.ID)},
		} {
			before := len(entries())
			a := o.do(call.method, call.path, call.body, "X-API-KEY", call.key, "Content-Type", "application/json")
			if a.StatusCode >= 300 {
				t.Errorf("%s %s: %d %s", call.method, call.path, a.StatusCode, a.text)
				continue
			}
			if got := entries(); len(got) != before+1 || got[0] != call.want {
				t.Errorf("%s %s: noted is %q, want %q", call.method, call.path, got[:len(got)-before], call.want)
			}
		}
		before := entries()
		o.as(o.admin, "POST", "/api/v1/crons/none/pause", "")
		o.as(o.read, "POST", "/api/v1/crons", `{"slug":"x"}`)
		o.as("", "POST", fmt.Sprintf("/messages/%d/retry/", ids[3]), "")
		o.as("", "PATCH", fmt.Sprintf("/messages/%d/", ids[0]), `{"start_at":"nonsense"}`)
		o.as(o.admin, "GET", "/api/v1/crons", "")
		if got := entries(); !slices.Equal(got, before) {
			t.Errorf("what did nothing is noted as %q", got[:len(got)-len(before)])
		}
		if all := strings.Join(before, "\n"); strings.Contains(all, o.admin) || strings.Contains(all, o.operator) {
			t.Error("a key stands in the log")
		}
	})
}

func TestExecutionsAndWindowsAreNoted(t *testing.T) {
	officeOn(t, func(o *office) {
		window := o.object(o.as(o.operator, "POST", "/api/v1/maintenance", `{"ends_at":"2026-03-02T00:00:00Z","reason":"network"}`), http.StatusCreated)
		o.object(o.as(o.operator, "DELETE", fmt.Sprintf("/api/v1/maintenance/%v", window["id"]), ""), http.StatusOK)
		o.object(o.as(o.admin, "POST", "/api/v1/crons", `{"slug":"nightly"}`), http.StatusCreated)
		begun := o.object(o.as(o.key, "POST", "/api/nightly/start", ""), http.StatusOK)
		o.object(o.as(o.admin, "POST", fmt.Sprintf("/api/v1/executions/%v/release", begun["id"]), ""), http.StatusOK)
		all, err := o.o.Audit.List(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range all {
			if e.Action != "cron.create" {
				got = append(got, e.Action+" "+e.Target)
			}
		}
		want := []string{
			fmt.Sprintf("execution.release execution %v", begun["id"]),
			fmt.Sprintf("maintenance.remove maintenance %v", window["id"]), fmt.Sprintf("maintenance.add maintenance %v", window["id"]),
		}
		if !slices.Equal(got, want) {
			t.Errorf("noted are %q, want %q", got, want)
		}
	})
}

// What was released before the store gave out is noted.
func TestAReleaseThatFailsHalfWayIsNoted(t *testing.T) {
	officeOn(t, func(o *office) {
		made := o.object(o.as(o.admin, "POST", "/api/v1/crons", `{"slug":"nightly","max_running":150}`), http.StatusCreated)
		var last any
		for range 130 {
			last = o.object(o.as(o.key, "POST", "/api/nightly/start", ""), http.StatusOK)["id"]
		}
		stuck := []string{fmt.Sprintf("CREATE TRIGGER stuck BEFORE UPDATE ON executions WHEN NEW.id = %v BEGIN SELECT RAISE(ABORT, 'stuck'); END", last)}
		if o.store.Dialect() == db.Postgres {
			stuck = []string{
				"CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stuck'; END $$",
				fmt.Sprintf("CREATE TRIGGER stuck BEFORE UPDATE ON executions FOR EACH ROW WHEN (NEW.id = %v) EXECUTE FUNCTION stuck()", last),
			}
		}
		err := o.store.Tx(t.Context(), func(tx *db.Tx) error {
			for _, statement := range stuck {
				if _, err := tx.Exec(t.Context(), statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		a := o.as(o.admin, "POST", fmt.Sprintf("/api/v1/crons/%v/release", made["id"]), "")
		if a.StatusCode < 500 || !strings.Contains(a.text, "100 executions were released before it failed") {
			t.Errorf("status %d: %s", a.StatusCode, a.text)
		}
		all, err := o.o.Audit.List(t.Context(), 0, 1)
		want := fmt.Sprintf("cron %v %s/nightly", made["id"], o.app.Name)
		if err != nil || len(all) != 1 || all[0].Action != "cron.release" || all[0].Target != want || all[0].Detail != "100 runs" {
			t.Errorf("noted is %+v, %v", all, err)
		}
	})
}
