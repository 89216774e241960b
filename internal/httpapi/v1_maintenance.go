package httpapi

import (
	"context"
	"net/http"

	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
)

func (s *Server) listMaintenance(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	app, err := s.appAsked(r, q)
	if err != nil {
		return reply{}, err
	}
	past, err := q.Truth("past")
	if err != nil {
		return reply{}, err
	}
	return listed(r, q, "after", "maintenance", func(ctx context.Context, cursor string, limit int) ([]ledgerjson.Window, string, error) {
		after, err := idCursor("after", cursor)
		if err != nil {
			return nil, "", err
		}
		all, err := s.o.Ledger.Maintenance(ctx, app, past, after, limit)
		if err != nil {
			return nil, "", err
		}
		page, _ := pageOf(all, limit, ledgerjson.OfWindow, nil)
		if len(all) < limit {
			return page, "", nil
		}
		return page, idText(all[len(all)-1].ID), nil // the next page may turn out to be empty
	})
}

// addMaintenance adds a window for a cron, for an application or, if a key of the
// application ferryman names neither, for all.
func (s *Server) addMaintenance(r *http.Request) (reply, error) {
	body, err := jsonBody(r)
	if err != nil {
		return reply{}, err
	}
	f, err := readOwnForm(body, nil, "app", "cron", "starts_at", "ends_at", "reason")
	if err != nil {
		return reply{}, err
	}
	f.require("ends_at")
	f.require("reason")
	app, cron := f.text("app", maxText), f.text("cron", maxText)
	w := ledger.Window{AppID: seen(r), StartsAt: f.time("starts_at"), EndsAt: f.time("ends_at"), Reason: f.text("reason", maxReason)}
	ref, valid := ledger.ParseRef(cron)
	if cron != "" && !valid {
		f.fail("cron", "format", "must be a slug or an id, as text")
	}
	if err := f.fault(); err != nil {
		return reply{}, err
	}
	if app != "" {
		if w.AppID, err = s.appNamed(r, app); err != nil {
			return reply{}, err
		}
	}
	if cron != "" {
		of := w.AppID
		if of == 0 && ref.ID == 0 {
			of = caller(r).AppID
		}
		c, err := s.o.Ledger.Cron(r.Context(), of, ref)
		if err != nil {
			return reply{}, err
		}
		w.AppID, w.CronID = c.AppID, c.ID
	}
	added, err := s.o.Ledger.AddMaintenance(r.Context(), w)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, body: ledgerjson.OfWindow(&added)}, nil
}

func (s *Server) removeMaintenance(r *http.Request) (reply, error) {
	id, err := idAsked(r, ledger.ErrNoWindow)
	if err != nil {
		return reply{}, err
	}
	removed, err := s.o.Ledger.RemoveMaintenance(r.Context(), seen(r), id)
	if err != nil {
		return reply{}, err
	}
	return ok(ledgerjson.OfWindow(&removed))
}
