package httpapi

import (
	"context"
	"net/http"

	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
	"ferryman/internal/rejected"
)

// listEvents lists events, the newest first, or, with after, the oldest
// first: from the beginning if that is 0.
func (s *Server) listEvents(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	var f ledger.EventFilter
	if f.App, f.Cron, err = s.cronFilter(r, q); err != nil {
		return reply{}, err
	}
	f.Kind, err = params.Word(q, "kind", ledger.EventMissed, ledger.EventOverdue, ledger.EventFailing, ledger.EventRecovered, ledger.EventFailed, ledger.EventSucceeded)
	if err != nil {
		return reply{}, err
	}
	param := "before"
	if len(q.Values["after"]) > 0 {
		param = "after"
	}
	return listed(r, q, param, "events", func(ctx context.Context, cursor string, limit int) ([]ledgerjson.Event, string, error) {
		f := f
		f.Limit = limit + 1
		var err error
		switch {
		case param == "before":
			f.Before, err = idCursor(param, cursor)
		case cursor == "" || cursor == "0":
			f.After = -1 // from the very first on
		default:
			f.After, err = idCursor(param, cursor)
		}
		if err != nil {
			return nil, "", err
		}
		all, err := s.o.Ledger.Events(ctx, f)
		if err != nil {
			return nil, "", err
		}
		page, next := pageOf(all, limit, ledgerjson.OfEvent, func(e *ledger.ListedEvent) string { return idText(e.ID) })
		return page, next, nil
	})
}

// refusedCall is calls that were refused, as they are listed.
type refusedCall struct {
	ID        int64           `json:"id"`
	App       *string         `json:"app"` // null without a valid key
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	Status    int             `json:"status"`
	Code      string          `json:"code"`
	Detail    string          `json:"detail"`
	KeyPrefix *string         `json:"key_prefix"`
	Remote    string          `json:"remote"`
	Agent     *string         `json:"agent"`
	Times     int64           `json:"times"`
	FirstAt   ledgerjson.Time `json:"first_at"`
	LastAt    ledgerjson.Time `json:"last_at"`
}

func (s *Server) listRejected(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	app, err := s.appAsked(r, q)
	if err != nil {
		return reply{}, err
	}
	names, err := s.appNames(r)
	if err != nil {
		return reply{}, err
	}
	return listed(r, q, "before", "rejected", func(ctx context.Context, cursor string, limit int) ([]refusedCall, string, error) {
		before, err := idCursor("before", cursor)
		if err != nil || s.o.Rejected == nil {
			return nil, "", err
		}
		all, err := s.o.Rejected.List(ctx, app, before, limit+1)
		if err != nil {
			return nil, "", err
		}
		page, next := pageOf(all, limit, func(e *rejected.Entry) refusedCall {
			return refusedCall{
				e.ID, ledgerjson.OrNull(names[e.AppID]), e.Method, e.Path, e.Status, e.Code, e.Detail, ledgerjson.OrNull(e.KeyPrefix), e.Remote, ledgerjson.OrNull(e.Agent),
				e.Times, ledgerjson.Time(e.FirstAt), ledgerjson.Time(e.LastAt),
			}
		}, func(e *rejected.Entry) string { return idText(e.ID) })
		return page, next, nil
	})
}

// appNames gives the names of the applications that the caller may see.
func (s *Server) appNames(r *http.Request) (map[int64]string, error) {
	who := caller(r)
	names := map[int64]string{who.AppID: who.App}
	if seen(r) != 0 {
		return names, nil
	}
	all, err := s.o.Apps.Applications(r.Context())
	for _, a := range all {
		names[a.ID] = a.Name
	}
	return names, err
}
