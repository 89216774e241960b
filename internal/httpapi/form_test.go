package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// withBodyOf is a request whose body was read.
func withBodyOf(t *testing.T, body []byte) *http.Request {
	t.Helper()
	ex := &exchange{body: body}
	r, err := http.NewRequestWithContext(context.WithValue(t.Context(), exchangeKey{}, ex), http.MethodPost, "http://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// FuzzBodies gives every call any body: what is let in is fit for the ledger, and
// what is not is told as such.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"message":"done","type":"info","success":true,"exit_code":0,"duration_ms":12.5,"at":"2026-03-01T12:00:00Z"}`,
		`[{"message":"a","type":"info"},{"message":"b","type":"error","at":null}]`, `{"rid":"one","host":"web-1","scheduled_for":"2026-03-01T12:00:00+02:00"}`,
		`{"success":true,"type":"success","message":"\ud800\u0000"}`, "{\"message\":\"a\x00\xff\",\"type\":\"info\"}", `{"a":[[[{}]]]}`, `{`, `[`, `1`, `"x"`, ``, ` `,
		`{"success":"true","type":3,"message":null}`, `{}{}`, strings.Repeat("[", 40), `{"type":"info","type":"error","message":"x"}`, `[1,"x",null,{}]`,
		`[ ]`, `{"rid":"r","started_at":"2020-08-16T10:00:00Z","success":true,"type":"info","ended_at":"2020-08-16T10:00:01Z"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := withBodyOf(t, body)
		messages, several, err := readMessages(r)
		checkFault(t, body, err)
		if err == nil {
			heartbeat := strings.Join(strings.Fields(string(body)), "") == "[]"
			if (len(messages) == 0) != heartbeat || len(messages) > ledger.MaxMessages || !several && len(messages) != 1 {
				t.Errorf("%d messages", len(messages))
			}
			for _, m := range messages {
				if !m.Type.Valid() || strings.TrimSpace(m.Text) == "" || !fit(m.Text) {
					t.Errorf("message %+v", m)
				}
			}
		}
		report, err := readEnd(r)
		checkFault(t, body, err)
		if err == nil && (!report.Type.Valid() || !fit(report.Message) || report.Took < 0 || report.Took > maxTook) {
			t.Errorf("end %+v", report)
		}
		begin, err := readStart(r, params.Query{}, epoch)
		checkFault(t, body, err)
		if err == nil && !begin.Began.IsZero() &&
			(begin.Request == "" || begin.Began.After(epoch) || epoch.Sub(begin.Began) > maxReportAge) {
			t.Errorf("report of a start %+v", begin)
		}
		if err == nil && (len([]rune(begin.Holder)) > maxHost || !fit(begin.Holder) || len(begin.Request) > maxRequestID+len("rid:")) {
			t.Errorf("start %+v", begin)
		}
	})
}

func fit(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func checkFault(t *testing.T, body []byte, err error) {
	t.Helper()
	if err == nil {
		// What is let in is JSON to everybody, but for what is no text.
		if len(body) > 0 && fit(string(body)) && !json.Valid(body) {
			t.Errorf("let in: %q", body)
		}
		return
	}
	f, _ := errors.AsType[*fault.Error](err)
	switch {
	case f != nil && f.Kind == fault.Invalid:
	case f != nil && f.Kind == fault.Unprocessable && len(f.Fields) > 0 && len(f.Fields) <= maxWrong:
		if !json.Valid(bytes.ReplaceAll(bytes.ToValidUTF8(body, []byte("\ufffd")), []byte{0}, []byte("x"))) {
			t.Errorf("values of what is no JSON: %q", body)
		}
		for _, one := range f.Fields {
			if one.Code == "" || one.Detail == "" || one.Pointer != "" && one.Pointer[0] != '/' {
				t.Errorf("field %+v", one)
			}
		}
	default:
		t.Errorf("%q: %v", body, err)
	}
}

// FuzzPaths asks for any path below /api/ with any of the methods: the answer is
// never a redirect, a panic or an execution that nobody asked for.
func FuzzPaths(f *testing.F) {
	for _, seed := range []string{
		"nightly/start", "1/end", "%2e%2e/start", "0/message", "nightly%00/can-start", "//start", "a/../b/start", "users/711", "%", "nightly/start/", "é/start",
	} {
		f.Add("POST", seed)
		f.Add("GET", seed)
	}
	h := build(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost/api/"+path, nil)
		if err != nil {
			t.Skip()
		}
		r.Body = http.NoBody
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status >= 500 && w.status != http.StatusServiceUnavailable || w.status >= 300 && w.status < 400 {
			t.Errorf("%s %q: %d %s", method, path, w.status, w.text)
		}
		if exOf, found := h.reports.find(r); found && len(exOf.access.scopes) > 0 && w.status != http.StatusUnauthorized && w.status != http.StatusForbidden &&
			w.status != http.StatusTooManyRequests && canonical(r.URL.EscapedPath()) {
			t.Errorf("%s %q without a key: %d %s", method, path, w.status, w.text)
		}
	})
}

// recorder is a ResponseWriter that keeps what it is given.
type recorder struct {
	header http.Header
	status int
	text   []byte
}

func (w *recorder) Header() http.Header { return w.header }
func (w *recorder) WriteHeader(status int) {
	w.status = status
}

func (w *recorder) Write(text []byte) (int, error) {
	w.text = append(w.text, text...)
	return len(text), nil
}
