package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
)

func TestNewCron(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.key("shop", apikey.Ping)
	form := Root + "crons/new"
	s.shows(s.page(form+"?app=shop&slug=job"), "<option selected>shop</option>", `value="job"`, `value="1m"`, "checked")

	status, page := s.post(form, form, "app", "shop", "slug", "Job 1", "name", hostile, "schedule", "61 * * * *", "timezone", "Mars/Base",
		"grace", "soon", "max_running", "many", "overlap", "never", "keep_for", "1s", "active", "on", "each_success", "on")
	if status != http.StatusUnprocessableEntity {
		t.Fatalf("%d %s", status, page)
	}
	s.shows(page, "Nothing was saved", `value="Job 1"`, harmless[:20], "!"+hostile, `value="61 * * * *"`, `value="Mars/Base"`, `value="soon"`, `value="many"`,
		`id="wrong-slug"`, `id="wrong-name"`, `id="wrong-schedule"`, `id="wrong-timezone"`, `id="wrong-grace"`, `id="wrong-max_running"`, `id="wrong-keep_for"`,
		"must be one of allow, forbid, replace", "is no length of time", `name="each_success" checked`, `!name="muted" checked`)
	_, page = s.post(form, form, "app", "none", "slug", "job")
	s.shows(page, "is none of the applications", `value="job"`)
	if noted := s.cronsNoted(); len(noted) != 0 {
		t.Errorf("on record: %q", noted)
	}

	status, page = s.post(form, form, "app", "shop", "slug", "job", "schedule", "every  10m", "grace", "2m", "max_runtime", "1h 30m", "active", "on", "overlap", "forbid")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, page)
	}
	s.shows(page, "job was added.", "every 10 minutes", "It has never run.", "cron.create")
	_, page = s.post(form, form, "app", "shop", "slug", "job")
	s.shows(page, "is taken", `value="job"`)
	if noted := s.cronsNoted(); len(noted) != 1 || noted[0] != "cron.create cron 1 shop/job" {
		t.Errorf("on record: %q", noted)
	}
	made, err := s.ledger.Cron(t.Context(), 0, ledger.Ref{ID: 1})
	if err != nil || made.MaxRuntime != 90*time.Minute || made.Grace != 2*time.Minute || made.Overlap != ledger.Forbid || !made.Active || made.KeepRuns != ledger.DefaultKeepRuns {
		t.Errorf("%+v %v", made, err)
	}
}

// Somebody with a key of an application adds crons to it, and to no other.
func TestNewCronOfAnApplication(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.key("bank", apikey.Ping)
	s.signIn("shop", apikey.Admin)
	form := Root + "crons/new"
	s.shows(s.page(form), "!bank", `!name="app"`)
	_, page := s.post(form, form, "app", "bank", "slug", "job", "active", "on")
	s.shows(page, "job was added.", "shop")
	if noted := s.cronsNoted(); len(noted) != 1 || !strings.HasSuffix(noted[0], " shop/job") {
		t.Errorf("on record: %q", noted)
	}
}

func TestEditCron(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, taken := s.cron("shop", "job", func(s *ledger.Settings) { s.Schedule = "every 1h" }), s.cron("shop", "taken")
	form := cronAddress(c) + "/edit"
	s.shows(s.page(form), `value="job"`, `value="every 1h"`, `value="1m"`, `name="active" checked`, "Save")
	same := settingsAsForm(c.Slug, &c.Settings)
	send := func(pairs ...string) (int, string) {
		t.Helper()
		values := url.Values{}
		for name := range same {
			values.Set(name, same.Get(name))
		}
		for i := 0; i < len(pairs); i += 2 {
			values.Set(pairs[i], pairs[i+1])
		}
		var fields []string
		for name := range values {
			fields = append(fields, name, values.Get(name))
		}
		return s.post(form, form, fields...)
	}
	if _, page := send(); !strings.Contains(page, "Nothing was changed.") || len(s.cronsNoted()) != 0 {
		t.Errorf("%q, and on record: %q", page, s.cronsNoted())
	}
	status, page := send("slug", taken.Slug)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("%d", status)
	}
	s.shows(page, "is taken", `value="taken"`)
	_, page = send("slug", "other", "schedule", "*/5 * * * *", "fail_after", "3")
	s.shows(page, "job was changed.", "every 5 minutes", "shop", "fail_after: 1 → 3; schedule: every 1h → */5 * * * *; slug: job → other")
	if noted := s.cronsNoted(); len(noted) != 1 || noted[0] != fmt.Sprintf("cron.edit cron %d shop/other", c.ID) {
		t.Errorf("on record: %q", noted)
	}
}

// Of a sync only that is asked and changed which its settings do not decide.
func TestEditSync(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own, err := s.ledger.Register(t.Context(), "warehouses", ledger.Settings{Name: "Warehouse sync", Schedule: "every 1m", MaxRuntime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	form := cronAddress(own) + "/edit"
	s.shows(s.page(form), `name="fail_after"`, `!name="schedule"`, `!name="slug"`)
	_, page := s.post(form, form, "fail_after", "5", "grace", "5m", "active", "on", "schedule", "every 1s", "slug", "other")
	s.shows(page, "Warehouse sync was changed.")
	now := s.is(own)
	if now.Slug != "warehouses" || now.Schedule != "every 1m" || now.MaxRuntime != time.Hour || now.FailAfter != 5 || now.Grace != 5*time.Minute {
		t.Errorf("%+v", now)
	}
}

// What a form is filled with it reads as it was.
func TestSettingsThroughAForm(t *testing.T) {
	t.Parallel()
	seconds := func(t *rapid.T, name string) time.Duration {
		return time.Duration(rapid.Int64Range(0, 1e7).Draw(t, name)) * time.Second
	}
	rapid.Check(t, func(t *rapid.T) {
		count, truth := rapid.Int64Range(0, 1000), rapid.Bool()
		was := ledger.Settings{
			Name: rapid.String().Draw(t, "name"), Schedule: "every 1h", Zone: "UTC", Overlap: ledger.Replace,
			Active: truth.Draw(t, "active"), Muted: truth.Draw(t, "muted"), EachFailure: truth.Draw(t, "each failure"), EachSuccess: truth.Draw(t, "each success"),
			Grace: seconds(t, "grace"), MaxRuntime: seconds(t, "max"), Heartbeat: seconds(t, "heartbeat"), KeepFor: seconds(t, "keep"),
			MaxRunning: count.Draw(t, "running"), FailAfter: count.Draw(t, "fail"), RecoverAfter: count.Draw(t, "recover"), KeepRuns: count.Draw(t, "runs"),
		}
		var is ledger.Settings
		if wrong := readSettings(settingsAsForm("a", &was), &is); len(wrong) != 0 || is != was {
			t.Fatalf("%v: %+v is %+v", wrong, was, is)
		}
	})
}
