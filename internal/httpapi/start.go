package httpapi

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
)

const (
	maxRequestID = 100 // characters of rid
	maxHost      = 255
)

// startMembers are what a start may say in its body or in the query string. What
// is reported afterwards says so in its body: a GET is a start.
func startMembers() []string { return []string{"rid", "host", "scheduled_for"} }

// startByGet starts an execution, as the oldest clients do. What a browser
// fetches in case that somebody looks at it is no such call.
func (s *Server) startByGet(r *http.Request) (reply, error) {
	for _, header := range [...]string{"Sec-Purpose", "Purpose", "X-Moz"} {
		for _, purpose := range r.Header.Values(header) {
			if strings.Contains(strings.ToLower(purpose), "prefetch") {
				return reply{}, &fault.Error{
					Kind: fault.Invalid, Code: "prefetch", Detail: "a start is not fetched in advance: nothing was started",
					Hint: "start with POST",
				}
			}
		}
	}
	return s.start(r)
}

// start lets an execution in, or says why not.
func (s *Server) start(r *http.Request) (reply, error) {
	ref, err := cronRef(r)
	if err != nil {
		return reply{}, err
	}
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	create, err := q.Truth("create")
	if err != nil {
		return reply{}, err
	}
	begin, err := readStart(r, q, s.o.Ledger.Now())
	if err != nil {
		return reply{}, err
	}
	begin.App, begin.Cron = caller(r).AppID, ref
	e, replayed, err := s.o.Ledger.Start(r.Context(), begin)
	if create && ref.ID == 0 && errors.Is(err, ledger.ErrNoCron) {
		_, err = s.o.Ledger.Create(r.Context(), begin.App, ref.Slug, ledger.DefaultSettings())
		if err == nil || errors.Is(err, ledger.ErrExists) { // another call may have made it
			e, replayed, err = s.o.Ledger.Start(r.Context(), begin)
		}
	}
	if err != nil {
		return reply{}, err
	}
	out, err := told(r, struct {
		ID         int64           `json:"id"`
		CronID     int64           `json:"cron_id"`
		Slug       string          `json:"slug"`
		Status     ledger.Status   `json:"status"`
		StartedAt  ledgerjson.Time `json:"started_at"`
		DeadlineAt ledgerjson.Time `json:"deadline_at"`
		Replayed   bool            `json:"replayed"`
	}{e.ID, e.CronID, e.Slug, e.Status, ledgerjson.Time(e.StartedAt), ledgerjson.Time(e.DeadlineAt), replayed}, e.ID)
	out.heartbeat = e.Heartbeat
	return out, err
}

// readStart reads what a start says.
func readStart(r *http.Request, q params.Query, now time.Time) (ledger.Start, error) {
	members := append(startMembers(), "started_at")
	f := newForm(members...)
	if len(exchangeOf(r.Context()).body) > 0 {
		body, err := jsonBody(r)
		if err != nil {
			return ledger.Start{}, err
		}
		if f, err = readForm(body, members...); err != nil {
			return ledger.Start{}, err
		}
	}
	for _, name := range startMembers() {
		value, given, err := q.One(name)
		if err != nil {
			return ledger.Start{}, err
		}
		if given {
			f.fill(name, value)
		}
	}
	for _, key := range r.Header.Values("Idempotency-Key") {
		f.fill("rid", unquoted(key))
	}
	begin := ledger.Start{Trigger: ledger.HTTP, Holder: f.text("host", maxHost), ScheduledFor: f.time("scheduled_for")}
	if f.given("rid") && !f.null("rid") {
		rid := f.text("rid", maxRequestID)
		if !validRequestID(rid) {
			f.fail("rid", "format", "must be a UUID, or else up to 100 of A-Z a-z 0-9 . _ : -")
		}
		begin.Request = "rid:" + rid
	}
	if f.given("started_at") && !f.null("started_at") {
		begin.Began = f.time("started_at")
		if ahead := begin.Began.Sub(now); ahead > 0 && ahead <= maxAhead {
			begin.Began = now
		}
		switch {
		case begin.Began.IsZero(): // told already
		case begin.Began.After(now) || begin.Began.Before(now.Add(-maxReportAge)):
			f.fail("started_at", "range", "must lie in the past, at most 31 days back: it is for the report of what has begun already")
		case begin.Request == "":
			f.fail("rid", "required", "is missing: what is reported afterwards must be safe to repeat")
		}
	}
	return begin, f.fault()
}

const (
	maxReportAge = 31 * 24 * time.Hour // how long after its start an execution may be reported
	maxAhead     = 10 * time.Minute    // by which a client's clock may go wrong
)

// unquoted takes the quotes off an Idempotency-Key, which is a string with them or
// without.
func unquoted(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

func validRequestID(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxRequestID
}
