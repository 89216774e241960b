package httpapi

import (
	"context"
	"net/http"

	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
)

func statuses() []ledger.Status {
	return []ledger.Status{
		ledger.Running, ledger.Success, ledger.Failed, ledger.TimedOut, ledger.Cancelled, ledger.Superseded, ledger.Missed, ledger.Skipped,
	}
}

func (s *Server) listExecutions(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	f := ledger.ExecutionFilter{}
	if f.App, f.Cron, err = s.cronFilter(r, q); err != nil {
		return reply{}, err
	}
	return s.executions(r, q, f)
}

func (s *Server) listCronExecutions(r *http.Request) (reply, error) {
	app, ref, err := s.cronAsked(r)
	if err != nil {
		return reply{}, err
	}
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	cron, err := s.o.Ledger.Cron(r.Context(), app, ref)
	if err != nil {
		return reply{}, err
	}
	return s.executions(r, q, ledger.ExecutionFilter{App: cron.AppID, Cron: cron.ID})
}

// cronFilter gives the application and the cron that the query names; 0 for all
// that the caller may see.
func (s *Server) cronFilter(r *http.Request, q params.Query) (app, cron int64, err error) {
	if app, err = s.appAsked(r, q); err != nil {
		return 0, 0, err
	}
	text, given, err := q.One("cron")
	if err != nil || !given {
		return app, 0, err
	}
	ref, valid := ledger.ParseRef(text)
	if !valid {
		return 0, 0, params.Bad("cron", "neither a slug nor an id", "such as ?cron=nightly-import")
	}
	if app == 0 && ref.ID == 0 {
		app = caller(r).AppID
	}
	c, err := s.o.Ledger.Cron(r.Context(), app, ref)
	return c.AppID, c.ID, err
}

// executions lists those of a filter to which the query adds.
func (s *Server) executions(r *http.Request, q params.Query, f ledger.ExecutionFilter) (reply, error) {
	var err error
	if f.Statuses, err = params.Words(q, "status", statuses()...); err != nil {
		return reply{}, err
	}
	if f.Since, err = q.Instant("since"); err != nil {
		return reply{}, err
	}
	if f.Until, err = q.Instant("until"); err != nil {
		return reply{}, err
	}
	if f.Trigger, err = params.Word(q, "trigger", ledger.HTTP, ledger.Schedule, ledger.CLI); err != nil {
		return reply{}, err
	}
	if f.Overdue, err = q.Truth("overdue"); err != nil {
		return reply{}, err
	}
	if f.Host, _, err = q.Text("host", maxHost); err != nil {
		return reply{}, err
	}
	return listed(r, q, "before", "executions", func(ctx context.Context, cursor string, limit int) ([]ledgerjson.Execution, string, error) {
		f := f
		f.Limit = limit
		var err error
		if f.Before, err = idCursor("before", cursor); err != nil {
			return nil, "", err
		}
		all, next, err := s.o.Ledger.Executions(ctx, f)
		if err != nil {
			return nil, "", err
		}
		page, _ := pageOf(all, limit, ledgerjson.OfExecution, nil)
		if next == 0 {
			return page, "", nil
		}
		return page, idText(next), nil
	})
}

func (s *Server) readExecution(r *http.Request) (reply, error) {
	id, err := idAsked(r, ledger.ErrNoExecution)
	if err != nil {
		return reply{}, err
	}
	e, err := s.o.Ledger.Listed(r.Context(), seen(r), id)
	if err != nil {
		return reply{}, err
	}
	return ok(ledgerjson.OfExecution(&e))
}

func (s *Server) releaseExecution(r *http.Request) (reply, error) {
	id, err := idAsked(r, ledger.ErrNoExecution)
	if err != nil {
		return reply{}, err
	}
	why, err := readReason(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := s.o.Ledger.Release(r.Context(), seen(r), id, why); err != nil {
		return reply{}, err
	}
	return s.readExecution(r)
}

func (s *Server) listMessages(r *http.Request) (reply, error) {
	id, err := idAsked(r, ledger.ErrNoExecution)
	if err != nil {
		return reply{}, err
	}
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	types, err := params.Words(q, "type", ledger.Info, ledger.Succeeded, ledger.Warning, ledger.Error)
	if err != nil {
		return reply{}, err
	}
	if _, err := s.o.Ledger.Execution(r.Context(), seen(r), id); err != nil {
		return reply{}, err
	}
	return listed(r, q, "after", "messages-"+idText(id), func(ctx context.Context, cursor string, limit int) ([]ledgerjson.Message, string, error) {
		after, err := idCursor("after", cursor)
		if err != nil {
			return nil, "", err
		}
		all, err := s.o.Ledger.Messages(ctx, id, after, limit+1, types...)
		if err != nil {
			return nil, "", err
		}
		page, next := pageOf(all, limit, ledgerjson.OfMessage, func(m *ledger.Message) string { return idText(m.ID) })
		return page, next, nil
	})
}
