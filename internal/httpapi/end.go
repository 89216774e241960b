package httpapi

import (
	"math"
	"net/http"
	"strings"
	"time"

	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

// maxTook is the longest time that a client may say that its execution took.
const maxTook = 10 * 365 * 24 * time.Hour

func messageTypes() []string {
	return []string{string(ledger.Warning), string(ledger.Info), string(ledger.Succeeded), string(ledger.Error)}
}

// end takes the report of an execution's end.
func (s *Server) end(r *http.Request) (reply, error) {
	id, err := executionID(r)
	if err != nil {
		return reply{}, err
	}
	report, err := readEnd(r)
	if err != nil {
		return reply{}, err
	}
	e, err := s.o.Ledger.Report(r.Context(), caller(r).AppID, id, report)
	if err != nil {
		return reply{}, err
	}
	took := e.ReportedTook
	if took == 0 {
		took = e.EndedAt.Sub(e.StartedAt)
	}
	return told(r, struct {
		ID         int64           `json:"id"`
		Status     ledger.Status   `json:"status"`
		Success    bool            `json:"success"`
		StartedAt  ledgerjson.Time `json:"started_at"`
		EndedAt    ledgerjson.Time `json:"ended_at"`
		DurationMS int64           `json:"duration_ms"`
		MessageID  *int64          `json:"message_id"`
		Replayed   bool            `json:"replayed"`
	}{
		e.ID, e.Status, e.ReportedSuccess, ledgerjson.Time(e.StartedAt), ledgerjson.Time(e.EndedAt), took.Milliseconds(), ledgerjson.OrNull(e.MessageID), e.Replayed,
	}, e.ID)
}

func readEnd(r *http.Request) (ledger.Report, error) {
	body, err := jsonBody(r)
	if err != nil {
		return ledger.Report{}, err
	}
	f, err := readForm(body, "success", "type", "message", "exit_code", "duration_ms", "ended_at")
	if err != nil {
		return ledger.Report{}, err
	}
	f.require("success")
	f.require("type")
	report := ledger.Report{
		Success: f.truth("success"), Type: ledger.MessageType(f.word("type", messageTypes()...)),
		Message: f.text("message", math.MaxInt), Took: f.milliseconds("duration_ms", maxTook), EndedAt: f.time("ended_at"),
	}
	if strings.TrimSpace(report.Message) == "" {
		report.Message = ""
	}
	// The largest exit codes are those of Windows, which are unsigned.
	if code, given := f.whole("exit_code", math.MinInt32, math.MaxUint32); given {
		report.ExitCode = &code
	}
	return report, f.fault()
}
