package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"ferryman/internal/fault"
)

// reply is what a handler says when nothing went wrong.
type reply struct {
	status    int           // 200 if 0
	mime      string        // JSON if empty
	body      any           // encoded as JSON, unless it is a []byte
	policy    string        // Content-Security-Policy; nothing is allowed if empty
	cache     string        // Cache-Control; no-store if empty
	link      string        // Link
	coding    string        // Content-Encoding
	vary      string        // Vary
	allow     string        // Allow
	location  string        // Location
	ignored   string        // Ignored-Members
	heartbeat time.Duration // Heartbeat-Seconds; none if 0
	file      string        // the name under which a browser saves it; it shows it if empty
	// more gives what follows the body, piece by piece, and nothing at the end.
	more func(context.Context) ([]byte, error)
}

func ok(v any) (reply, error) { return reply{body: v}, nil }

const (
	jsonMIME    = "application/json; charset=utf-8"
	problemMIME = "application/problem+json; charset=utf-8"
	htmlMIME    = "text/html; charset=utf-8"
	noPolicy    = "default-src 'none'; frame-ancestors 'none'"
)

// write is the one place that answers. It returns the status and how many bytes
// of the body went out.
func (s *Server) write(w http.ResponseWriter, r *http.Request, ex *exchange) (int, int64) {
	out, h := ex.out, w.Header()
	var text []byte
	if ex.err == nil {
		text, ex.err = encode(out.body)
	}
	if ex.err != nil {
		out, text = said(r, ex)
		if method, ok := errors.AsType[*methodError](ex.err); ok {
			h.Set("Allow", method.allow)
		}
		if out.status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", challenge)
		}
		if seconds := retryAfter(ex.err); seconds > 0 {
			h.Set("Retry-After", strconv.FormatInt(seconds, 10))
		}
	}
	if out.status != http.StatusNoContent {
		h.Set("Content-Type", or(out.mime, jsonMIME))
		if out.more == nil {
			h.Set("Content-Length", strconv.Itoa(len(text)))
		}
	}
	h.Set("Content-Security-Policy", or(out.policy, noPolicy))
	h.Set("Cache-Control", or(out.cache, "no-store"))
	h.Set("X-Request-Id", ex.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if out.link != "" {
		h.Set("Link", out.link)
	}
	if out.file != "" {
		h.Set("Content-Disposition", `attachment; filename="`+out.file+`"`)
	}
	if out.coding != "" {
		h.Set("Content-Encoding", out.coding)
	}
	if out.ignored != "" {
		h.Set("Ignored-Members", out.ignored)
	}
	if out.heartbeat > 0 {
		h.Set("Heartbeat-Seconds", strconv.FormatFloat(out.heartbeat.Seconds(), 'f', -1, 64))
	}
	if out.vary != "" {
		h.Set("Vary", out.vary)
	}
	if out.allow != "" {
		h.Set("Allow", out.allow)
	}
	if out.location != "" {
		h.Set("Location", out.location)
	}
	extendWrite(w, r)
	status := or(out.status, http.StatusOK)
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return status, 0
	}
	// The client may be gone; the count says how far it got.
	n, err := w.Write(text) //nolint:gosec // the type says what it is, and browsers are told to believe it
	written := int64(n)
	for err == nil && out.more != nil {
		awaitAnswer(w, r)
		if text, ex.err = s.further(r.Context(), out.more); ex.err != nil || len(text) == 0 {
			ex.cut = ex.err != nil
			break
		}
		extendWrite(w, r)
		n, err = w.Write(text) //nolint:gosec // as above
		written += int64(n)
	}
	extendWrite(w, r) // for what is still on its way
	return status, written
}

// said is what is said of an error.
func said(r *http.Request, ex *exchange) (reply, []byte) {
	p, out := newProblem(ex.err, ex.id), reply{mime: problemMIME}
	out.status = p.Status
	var text []byte // strings and a number always encode
	if ofMessages(r.URL.Path) {
		out.mime = jsonMIME
		text, _ = encode(detailOf(p, r.Method))
	} else {
		text, _ = encode(p)
	}
	return out, text
}

// further gives the next piece of an answer.
func (s *Server) further(ctx context.Context, more func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.AdminTime)
	defer cancel()
	return more(ctx)
}

// extendWrite starts the write time-out now: it is meant for clients that read
// slowly, not for syncs that take minutes.
func extendWrite(w http.ResponseWriter, r *http.Request) {
	if srv, found := r.Context().Value(http.ServerContextKey).(*http.Server); found && srv.WriteTimeout > 0 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(srv.WriteTimeout))
	}
}

// awaitAnswer lifts the write time-out until there is something to write: HTTP/2 would
// have it end the request, whether anything is written or not.
func awaitAnswer(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor > 1 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	}
}

// encode is JSON as people write it: nothing escaped that need not be.
func encode(v any) ([]byte, error) {
	if text, done := v.([]byte); done {
		return text, nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// retryAfter is the whole seconds that a client should wait: what somebody said,
// a few for trouble that may pass, and otherwise 0.
func retryAfter(err error) int64 {
	f, classified := errors.AsType[*fault.Error](err)
	switch {
	case !classified:
		return 0
	case f.RetryAfter == 0 && f.Kind == fault.Unavailable:
		return 2
	}
	return int64(math.Ceil(f.RetryAfter.Seconds()))
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
