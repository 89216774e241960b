package cronexec

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
)

// server is the ledger's calls, as far as a run needs them.
type server struct {
	http *httpclient.Client
	base *url.URL
	key  string
	host string // what this machine calls itself
}

// newServer fails with what the settings lack.
func newServer(o Options) (*server, error) {
	unconfigured := func(detail, hint string) error {
		return &fault.Error{Kind: fault.Unconfigured, Detail: detail, Hint: hint, Err: o.Settings}
	}
	base, err := url.Parse(o.URL)
	switch {
	case err != nil || base.Host == "":
		return nil, unconfigured("the server's address is missing or wrong", "set FERRYMAN_URL")
	case o.Key == "":
		return nil, unconfigured("there is no key to report with", "set FERRYMAN_API_KEY or FERRYMAN_API_KEY_FILE")
	}
	host, _ := os.Hostname() // the server does without
	return &server{
		http: httpclient.New(httpclient.Options{
			Timeout: o.callTimeout, MaxAnswerBytes: 1 << 20, Version: o.Version,
			Settings: httpclient.Settings{Address: "FERRYMAN_URL"}, TLS: o.TLS, Trace: true,
		}),
		base: base, key: o.Key, host: host,
	}, nil
}

func (s *server) close() { s.http.Close() }

// started is an execution as the server knows it.
type started struct {
	id        int64
	heartbeat time.Duration // how long it may be silent; 0: for ever
}

// start gives the execution. The same rid gives the same one. The start of a run
// that began already tells when; began is zero for one that asks for leave.
func (s *server) start(ctx context.Context, slug, rid string, began time.Time) (started, error) {
	body := struct {
		RID       string    `json:"rid"`
		Host      string    `json:"host,omitempty"`
		StartedAt time.Time `json:"started_at,omitzero"`
	}{rid, s.host, millis(began)}
	var out started
	err := s.post(ctx, slug, "start", http.Header{"Idempotency-Key": {rid}}, body, func(a *httpclient.Answer) (err error) {
		out.heartbeat = heartbeat(a.Header.Get("Heartbeat-Seconds"))
		out.id, err = readID(a.Body)
		return err
	})
	if err != nil {
		return started{}, err
	}
	return out, nil
}

// readID reads the id of an answer to a start.
func readID(from io.Reader) (int64, error) {
	const hint = "check that FERRYMAN_URL is the address of a Ferryman server"
	var answer struct {
		ID int64 `json:"id"`
	}
	err := httpclient.DecodeJSON(from, func(d *jsontext.Decoder) error { return json.UnmarshalDecode(d, &answer) })
	_, mistyped := errors.AsType[*json.SemanticError](err)
	switch {
	case mistyped, fault.CodeOf(err) == "invalid_json":
		return 0, &fault.Error{Kind: fault.Invalid, Code: "not_understood", Detail: "the answer is not understood", Hint: hint, Err: err}
	case err == nil && answer.ID <= 0:
		return 0, &fault.Error{Kind: fault.Invalid, Code: "no_id", Detail: "the answer to the start holds no id of an execution", Hint: hint}
	}
	return answer.ID, err
}

// end is the end of an execution as the server takes it.
type end struct {
	Message    string    `json:"message,omitempty"`
	Type       string    `json:"type"` // success or error
	Success    bool      `json:"success"`
	ExitCode   int       `json:"exit_code"`
	DurationMS int64     `json:"duration_ms"`
	EndedAt    time.Time `json:"ended_at,omitzero"` // if it is reported late; else the server's clock counts
}

// deliver reports an end that is now, or was if it comes late. The start of a run
// that the server did not answer is reported first; p remembers its execution.
func (s *server) deliver(ctx context.Context, p *report, late bool) error {
	if p.Execution == 0 {
		begun, err := s.start(ctx, p.Slug, p.RID, p.StartedAt)
		if err != nil {
			return err
		}
		p.Execution = begun.id
	}
	body := p.End
	if late {
		body.EndedAt = millis(p.EndedAt)
	}
	return s.post(ctx, strconv.FormatInt(p.Execution, 10), "end", nil, body, nil)
}

// messages sends an encoded array of messages.
func (s *server) messages(ctx context.Context, execution int64, array []byte) error {
	return s.post(ctx, strconv.FormatInt(execution, 10), "message", nil, jsontext.Value(array), nil)
}

// post makes a call. Without read only the status counts.
func (s *server) post(ctx context.Context, of, what string, header http.Header, body any, read func(*httpclient.Answer) error) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: "not_encodable", Detail: "the report cannot be encoded", Err: err}
	}
	if header == nil {
		header = http.Header{}
	}
	header.Set("X-API-KEY", s.key)
	header.Set("Accept", "application/json")
	return s.http.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: s.address(of, what), Header: header, Body: encoded, Secrets: []string{s.key},
	}, read)
}

// address is that of a call. A slug is escaped so that it stays one segment of
// the path, whatever it holds.
func (s *server) address(of, what string) *url.URL {
	u := *s.base
	escaped := strings.ReplaceAll(url.PathEscape(of), ".", "%2E")
	u.RawPath = strings.TrimRight(s.base.EscapedPath(), "/") + "/api/" + escaped + "/" + what
	u.Path = strings.TrimRight(s.base.Path, "/") + "/api/" + of + "/" + what
	return &u
}

// maxPause bounds what the server may ask to wait between two tries.
const maxPause = time.Second

// retry makes a call up to tries times, as long as it fails in a way that may
// pass.
func retry(ctx context.Context, tries int, call func(context.Context) error) error {
	for n := 1; ; n++ {
		err := call(ctx)
		if err == nil || n == tries || !fault.Temporary(err) {
			return err
		}
		// Crons start on the minute, so the tries of many are spread.
		pause := 100*time.Millisecond + rand.N(200*time.Millisecond) //nolint:gosec // chance guards no secret here
		pause = min(max(pause, retryAfter(err)), maxPause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
