package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/forwarded"
	"ferryman/internal/ledgerjson"
)

// noted gives the name under which the audit log has what a route does, "" for one
// that changes nothing or that applications call in the ordinary course of things.
func noted(rt route) string {
	switch rt.method + " " + rt.pattern {
	case "POST /api/v1/syncs/{name}/run":
		return "cron.run"
	case "PATCH /messages/{id}/{$}":
		return "delivery.move"
	case "DELETE /messages/{id}/{$}", "POST /api/v1/deliveries/{id}/cancel":
		return "delivery.cancel"
	case "POST /messages/{id}/retry/{$}", "POST /api/v1/deliveries/{id}/retry":
		return "delivery.retry"
	case "POST /api/v1/outbox/channels/{name}/pause":
		return "channel.pause"
	case "POST /api/v1/outbox/channels/{name}/resume":
		return "channel.resume"
	case "POST /api/v1/outbox/replay":
		return "outbox.replay"
	case "POST /api/v1/crons":
		return "cron.create"
	case "PATCH /api/v1/crons/{id}":
		return "cron.edit"
	case "DELETE /api/v1/crons/{id}":
		return "cron.delete"
	case "POST /api/v1/crons/{id}/pause":
		return "cron.pause"
	case "POST /api/v1/crons/{id}/resume":
		return "cron.resume"
	case "POST /api/v1/crons/{id}/snooze":
		return "cron.snooze"
	case "POST /api/v1/crons/{id}/release":
		return "cron.release"
	case "POST /api/v1/executions/{id}/release":
		return "execution.release"
	case "POST /api/v1/maintenance":
		return "maintenance.add"
	case "DELETE /api/v1/maintenance/{id}":
		return "maintenance.remove"
	default:
		return ""
	}
}

// note writes down what a call has done, whoever made it.
func (s *Server) note(r *http.Request, ex *exchange) {
	action := noted(ex.route)
	released, releases := ex.out.body.(releasedRuns)
	undone := ex.err != nil && released.Released == 0 || or(ex.out.status, http.StatusOK) >= http.StatusBadRequest
	if action == "" || s.o.Audit == nil || undone {
		return
	}
	ctx := context.WithoutCancel(r.Context()) // the act is done, whether or not the caller waits
	who := audit.Local
	if ex.who != (apikey.Identity{}) {
		who = audit.Key(ex.who.Prefix, ex.who.App)
	}
	detail := detailOfCall(r, ex.body)
	if releases {
		detail = strings.TrimSuffix(fmt.Sprintf("%d runs, %s", released.Released, detail), ", ")
	}
	s.o.Audit.Note(ctx, audit.Entry{
		Who: who, App: ex.who.App, Action: action, Target: s.target(r.WithContext(ctx), ex), Detail: detail, Remote: forwarded.Of(r).Host(),
	})
}

// target is what a call was about: what it answers says so, or else its path.
func (s *Server) target(r *http.Request, ex *exchange) string {
	switch about := ex.out.body.(type) {
	case ledgerjson.Cron:
		return audit.Cron(about.ID, about.App, about.Slug)
	case deletedCron:
		return audit.Cron(about.ID, about.app, about.Slug)
	case ledgerjson.Window:
		return audit.Maintenance(about.ID)
	case channelShown:
		return audit.Channel(about.Name)
	}
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	switch kind := strings.Split(strings.TrimPrefix(ex.route.pattern, "/api/v1"), "/")[1]; kind {
	case "deliveries", "messages":
		return audit.Delivery(id)
	case "executions":
		return audit.Execution(id)
	case "crons":
		if app, ref, err := s.cronAsked(r); err == nil {
			if c, err := s.o.Ledger.Cron(r.Context(), app, ref); err == nil {
				return audit.Cron(c.ID, c.App, c.Slug)
			}
		}
		return "cron " + r.PathValue("id")
	case "syncs":
		return s.syncTarget(r.Context(), r.PathValue("name"))
	default:
		return kind
	}
}

// syncTarget is a sync's cron as a target.
func (s *Server) syncTarget(ctx context.Context, slug string) string {
	named, _ := s.o.Ledger.Named(ctx, slug) // without it, the slug has to do
	for _, c := range named {
		if c.App == apikey.BuiltIn {
			return audit.Cron(c.ID, c.App, c.Slug)
		}
	}
	return "sync " + slug
}

// detailOfCall is the body of a call, which of the administration's holds no secret.
// A body of the message API may hold what nobody asked for, such as a text.
func detailOfCall(r *http.Request, body []byte) string {
	if len(body) == 0 || !ofMessages(r.URL.Path) {
		return string(body)
	}
	var moved struct {
		StartAt json.RawMessage `json:"start_at,omitempty"`
	}
	if err := json.Unmarshal(body, &moved); err != nil {
		return ""
	}
	detail, _ := json.Marshal(moved) // what was JSON is JSON
	return string(detail)
}
