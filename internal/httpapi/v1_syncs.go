package httpapi

import (
	"net/http"

	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
)

// syncCalls are the calls for all syncs that the server runs.
func (s *Server) syncCalls() []route {
	all := []route{
		{"GET", "/api/v1/syncs", s.listRuns, byOperators(), false},
		{"POST", "/api/v1/syncs/{name}/run", s.runSync, byOperators(), false},
	}
	for i, rt := range all {
		all[i].answer = asDescribed(rt, rt.answer)
	}
	return all
}

// runShown is a run of a sync, as it is listed.
type runShown struct {
	Execution int64                 `json:"execution"`
	Sync      string                `json:"sync"`
	Trigger   string                `json:"trigger"`
	OK        bool                  `json:"ok"`
	StartedAt ledgerjson.Time       `json:"started_at"`
	EndedAt   ledgerjson.Time       `json:"ended_at"`
	Reason    *string               `json:"reason"`
	Detail    *string               `json:"detail"`
	Tables    []pipeline.TableCount `json:"tables"`
}

// listRuns tells how the last runs of all syncs went, oldest first.
func (s *Server) listRuns(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	limit, err := limitOf(q)
	if err != nil {
		return reply{}, err
	}
	runs, err := s.o.Syncs.Last(r.Context(), limit)
	if err != nil {
		return reply{}, err
	}
	shown := make([]runShown, len(runs))
	for i, run := range runs {
		shown[i] = showRun(run)
	}
	return reply{body: map[string]any{"runs": shown}}, nil
}

func showRun(r syncs.Run) runShown {
	tables := r.Report.Tables
	if tables == nil {
		tables = []pipeline.TableCount{}
	}
	return runShown{
		Execution: r.Execution, Sync: r.Sync, Trigger: r.Trigger, OK: r.OK(),
		StartedAt: ledgerjson.Time(r.StartedAt), EndedAt: ledgerjson.Time(r.EndedAt),
		Reason: ledgerjson.OrNull(r.Reason), Detail: ledgerjson.OrNull(r.Detail), Tables: tables,
	}
}

// runSync starts a run of a sync, and does not wait for it.
func (s *Server) runSync(r *http.Request) (reply, error) {
	name := r.PathValue("name")
	if err := s.o.Syncs.Cast(r.Context(), name); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: map[string]any{"sync": name}}, nil
}
