package httpapi

import (
	"fmt"
	"net/http"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/params"
	"ferryman/internal/syncs"
)

// entry is how the outcome of a sync is told. The order of its fields, its texts
// and the precision of its date are part of the contract.
type entry struct {
	Data     any    `json:"data"`
	Date     string `json:"date"`
	Response string `json:"response"`
}

type failure struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// timeFormat is UTC with exactly six fractional digits.
const timeFormat = "2006-01-02T15:04:05.000000Z"

const (
	defaultCount = 100
	maxCount     = 1000
)

// syncAll runs one sync and waits for it. When the client leaves, its place is
// free again and the sync goes on.
func (s *Server) syncAll(r *http.Request) (reply, error) {
	select {
	case s.callers <- struct{}{}:
		defer func() { <-s.callers }()
	default:
		return reply{}, &fault.Error{
			Kind: fault.RateLimited, Code: "too_many_callers", RetryAfter: 5 * time.Second,
			Detail: fmt.Sprintf("%d callers wait for a sync already", maxCallers),
			Hint:   "PATCH /api/syncast does not wait",
		}
	}
	run, err := s.o.Sync.Call(r.Context())
	if err != nil {
		return reply{}, fmt.Errorf("run sync: %w", err)
	}
	out := reply{body: s.entry(run)}
	if !run.OK() {
		out.status = http.StatusBadGateway
		if run.Reason == fault.Timeout.String() {
			out.status = http.StatusGatewayTimeout
		}
	}
	return out, nil
}

// syncCast starts one sync in the background.
func (s *Server) syncCast(r *http.Request) (reply, error) {
	date := s.o.Now().UTC().Format(timeFormat)
	if err := s.o.Sync.Cast(r.Context()); err != nil {
		return reply{}, fmt.Errorf("start sync: %w", err)
	}
	return ok(entry{"Soukosync.Caller.cast_sync casted", date, "ok"})
}

// syncLast tells how the last syncs went.
func (s *Server) syncLast(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	n, err := q.Number("count", defaultCount, maxCount)
	if err != nil {
		return reply{}, err
	}
	runs, err := s.o.Sync.Last(r.Context(), n)
	if err != nil {
		return reply{}, fmt.Errorf("read last syncs: %w", err)
	}
	entries := make([]entry, len(runs))
	for i, run := range runs {
		entries[i] = s.entry(run)
	}
	return ok(map[string]any{"data": entries})
}

func (s *Server) entry(run syncs.Run) entry {
	date := run.StartedAt.UTC().Format(timeFormat)
	if !run.OK() {
		return entry{failure{Reason: run.Reason, Detail: run.Detail}, date, "error"}
	}
	n := run.Report.Count(s.o.Users.Name).Read + run.Report.Count(s.o.Warehouses.Name).Read
	return entry{fmt.Sprintf("全部ＯＫ、%dつ\u3000入れちゃった！", n), date, "ok"}
}
