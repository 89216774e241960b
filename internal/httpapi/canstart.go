package httpapi

import (
	"net/http"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
)

// canStart tells whether a start would be let in now. It is advice: it writes
// nothing and holds no place.
func (s *Server) canStart(r *http.Request) (reply, error) {
	ref, err := cronRef(r)
	if err != nil {
		return reply{}, err
	}
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	strict, err := q.Truth("strict")
	if err != nil {
		return reply{}, err
	}
	ready, err := s.o.Ledger.Readiness(r.Context(), caller(r).AppID, ref)
	if err != nil {
		return reply{}, err
	}
	refuses := strict && ready.Reason != ledger.Ready
	var out reply
	switch text := prefersText(r); {
	case text && ready.Reason == ledger.Ready:
		return plain("yes"), nil
	case text:
		out = plain("no")
	case refuses:
		out = reply{mime: problemMIME, body: newProblem(notReady(ready), exchangeOf(r.Context()).id)}
	default:
		out.body = struct {
			CanStart   bool            `json:"can_start"`
			Active     bool            `json:"active"`
			Reason     *ledger.Reason  `json:"reason"`
			Until      ledgerjson.Time `json:"until,omitzero"`
			CronID     int64           `json:"cron_id"`
			Slug       string          `json:"slug"`
			Running    int64           `json:"running"`
			MaxRunning *int64          `json:"max_running"`
		}{
			ready.Reason == ledger.Ready, ready.Cron.Active, ledgerjson.OrNull(ready.Reason), ledgerjson.Time(ready.Until),
			ready.Cron.ID, ready.Cron.Slug, ready.Running, ledgerjson.OrNull(ready.Cron.Limit()),
		}
	}
	if refuses {
		out.status = http.StatusConflict
	}
	return out, nil
}

// notReady says no as an error: it is none to whoever asked, and no call that was
// refused.
func notReady(ready ledger.Readiness) error {
	f := &fault.Error{Kind: fault.Conflict, Code: string(ready.Reason)}
	switch ready.Reason {
	case ledger.Inactive:
		f.Detail = ledger.ErrInactive.Detail
	case ledger.Paused:
		f.Detail = "the cron is paused until " + ready.Until.UTC().Format(time.RFC3339)
	case ledger.Maintenance:
		f.Detail = "there is maintenance until " + ready.Until.UTC().Format(time.RFC3339)
	default:
		f.Detail = ledger.ErrRunning.Detail
	}
	return f
}
