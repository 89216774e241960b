package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
)

func (s *Server) listCrons(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	var f ledger.CronFilter
	if f.App, err = s.appAsked(r, q); err != nil {
		return reply{}, err
	}
	if f.Kind, err = params.Word(q, "kind", ledger.External, ledger.Sync); err != nil {
		return reply{}, err
	}
	state, err := params.Word(q, "state", ledger.States()...)
	if err != nil {
		return reply{}, err
	}
	if state != "" {
		f.States = []ledger.State{state}
	}
	if f.Search, _, err = q.Text("search", maxText); err != nil {
		return reply{}, err
	}
	return listed(r, q, "after", "crons", func(ctx context.Context, cursor string, limit int) ([]ledgerjson.Cron, string, error) {
		f := f
		f.After, f.Limit = cursor, limit+1
		if cursor != "" && !isCronCursor(cursor) {
			return nil, "", params.Bad("after", "no place in the list", "give what next was on the page before")
		}
		all, err := s.o.Ledger.Crons(ctx, f)
		if err != nil {
			return nil, "", err
		}
		page, next := pageOf(all, limit, ledgerjson.OfCron, func(c *ledger.CronStatus) string { return f.Next(*c) })
		return page, next, nil
	})
}

func isCronCursor(text string) bool {
	app, slug, found := strings.Cut(text, "/")
	return found && app != "" && ledger.ValidSlug(slug)
}

func (s *Server) createCron(r *http.Request) (reply, error) {
	body, err := jsonBody(r)
	if err != nil {
		return reply{}, err
	}
	f, err := readOwnForm(body, cronAnswered(), cronMembers("app", "slug")...)
	if err != nil {
		return reply{}, err
	}
	settings, slug := ledger.DefaultSettings(), ""
	if f.require("slug") {
		slug = f.text("slug", maxText)
	}
	app := f.text("app", maxText)
	f.readSettings(&settings)
	f.checkSettings(slug, settings)
	if err := f.fault(); err != nil {
		return reply{}, err
	}
	of := caller(r).AppID
	if app != "" {
		if of, err = s.appNamed(r, app); err != nil {
			return reply{}, err
		}
	}
	made, err := s.o.Ledger.Create(r.Context(), of, slug, settings)
	if err != nil {
		return reply{}, err
	}
	out, err := s.shownCron(r, made.ID)
	out.status = http.StatusCreated
	return out, err
}

// shownCron answers with a cron and how it stands.
func (s *Server) shownCron(r *http.Request, id int64) (reply, error) {
	c, err := s.o.Ledger.CronStatus(r.Context(), 0, ledger.Ref{ID: id})
	if err != nil {
		return reply{}, err
	}
	return ok(ledgerjson.OfCron(&c))
}

func (s *Server) readCron(r *http.Request) (reply, error) {
	app, ref, err := s.cronAsked(r)
	if err != nil {
		return reply{}, err
	}
	c, err := s.o.Ledger.CronStatus(r.Context(), app, ref)
	if err != nil {
		return reply{}, err
	}
	return ok(ledgerjson.OfCron(&c))
}

func (s *Server) changeCron(r *http.Request) (reply, error) {
	app, ref, err := s.cronAsked(r)
	if err != nil {
		return reply{}, err
	}
	body, err := jsonBody(r)
	if err != nil {
		return reply{}, err
	}
	f, err := readOwnForm(body, cronAnswered(), cronMembers("slug")...)
	if err != nil {
		return reply{}, err
	}
	slug, settings := "a", ledger.DefaultSettings()
	if f.given("slug") {
		slug = f.text("slug", maxText)
	}
	f.readSettings(&settings)
	f.checkSettings(slug, settings)
	if err := f.fault(); err != nil {
		return reply{}, err
	}
	changed, err := s.o.Ledger.Change(r.Context(), app, ref, func(to *string, s *ledger.Settings) {
		f.readSettings(s)
		if f.given("slug") {
			*to = slug
		}
	})
	if err != nil {
		return reply{}, err
	}
	return s.shownCron(r, changed.ID)
}

func (s *Server) deleteCron(r *http.Request) (reply, error) {
	app, ref, err := s.cronAsked(r)
	if err != nil {
		return reply{}, err
	}
	gone, err := s.o.Ledger.Delete(r.Context(), app, ref)
	if err != nil {
		return reply{}, err
	}
	return ok(deletedCron{ID: gone.ID, Slug: gone.Slug, DeletedAt: ledgerjson.Time(gone.DeletedAt), app: gone.App})
}

// deletedCron is a cron that is no more.
type deletedCron struct {
	ID        int64           `json:"id"`
	Slug      string          `json:"slug"`
	DeletedAt ledgerjson.Time `json:"deleted_at"`

	app string // for the audit log
}

func (s *Server) pauseCron(r *http.Request) (reply, error) {
	return s.putOff(r, false, s.o.Ledger.Pause)
}

func (s *Server) snoozeCron(r *http.Request) (reply, error) {
	return s.putOff(r, true, s.o.Ledger.Snooze)
}

// putOff takes a time until when something about a cron shall be put off. What it
// is without one, or with null, is up to what does so.
func (s *Server) putOff(r *http.Request, required bool, do func(context.Context, int64, ledger.Ref, time.Time) (ledger.Cron, error)) (reply, error) {
	app, ref, err := s.cronAsked(r)
	if err != nil {
		return reply{}, err
	}
	f, err := optionalForm(r, "until")
	if err != nil {
		return reply{}, err
	}
	if required {
		f.require("until")
	}
	until := f.time("until")
	if err := f.fault(); err != nil {
		return reply{}, err
	}
	changed, err := do(r.Context(), app, ref, until)
	if err != nil {
		return reply{}, err
	}
	return s.shownCron(r, changed.ID)
}

func (s *Server) resumeCron(r *http.Request) (reply, error) {
	app, ref, err := s.cronAsked(r)
	if err != nil {
		return reply{}, err
	}
	changed, err := s.o.Ledger.Resume(r.Context(), app, ref)
	if err != nil {
		return reply{}, err
	}
	return s.shownCron(r, changed.ID)
}

func (s *Server) releaseCron(r *http.Request) (reply, error) {
	app, ref, err := s.cronAsked(r)
	if err != nil {
		return reply{}, err
	}
	why, err := readReason(r)
	if err != nil {
		return reply{}, err
	}
	n, err := s.o.Ledger.ReleaseAll(r.Context(), app, ref, why)
	return reply{body: releasedRuns{n}}, err
}

// releasedRuns is how many executions of a cron were released. Beside an error it
// is what the audit log is told.
type releasedRuns struct {
	Released int `json:"released"`
}

const maxReason = 200 // characters

// readReason reads why an execution is released.
func readReason(r *http.Request) (string, error) {
	f, err := optionalForm(r, "reason")
	if err != nil {
		return "", err
	}
	why := "released over HTTP"
	if reason := f.text("reason", maxReason); reason != "" {
		why += ": " + reason
	}
	return why, f.fault()
}

// listApplications lists those that the caller may see.
func (s *Server) listApplications(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	type application struct {
		Name      string          `json:"name"`
		CreatedAt ledgerjson.Time `json:"created_at"`
		Crons     int64           `json:"crons"`
		Keys      int64           `json:"keys"`
	}
	return listed(r, q, "after", "applications", func(ctx context.Context, cursor string, limit int) ([]application, string, error) {
		all, err := s.applications(ctx, r)
		if err != nil {
			return nil, "", err
		}
		all = slices.DeleteFunc(all, func(a apikey.Application) bool { return a.Name <= cursor })
		slices.SortFunc(all, func(a, b apikey.Application) int { return strings.Compare(a.Name, b.Name) })
		page, next := pageOf(all, limit, func(a *apikey.Application) application {
			return application{a.Name, ledgerjson.Time(a.CreatedAt), a.Crons, a.Keys}
		}, func(a *apikey.Application) string { return a.Name })
		return page, next, nil
	})
}

// applications gives those that the caller may see, in no order; there are at most
// 10,000.
func (s *Server) applications(ctx context.Context, r *http.Request) ([]apikey.Application, error) {
	if seen(r) == 0 {
		return s.o.Apps.Applications(ctx)
	}
	own, err := s.o.Apps.Application(ctx, caller(r).App)
	return []apikey.Application{own}, err
}
