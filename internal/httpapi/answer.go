package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"ferryman/internal/fault"
)

// answerer is a handler: it returns what to say, and never says it itself.
type answerer func(*http.Request) (reply, error)

// exchange is one request on its way through the server.
type exchange struct {
	id    string // X-Request-Id
	route string // the pattern, or unmatched
	out   reply
	err   error
}

type exchangeKey struct{}

// exchangeOf is the exchange that ctx belongs to; an empty one outside of requests.
func exchangeOf(ctx context.Context) *exchange {
	if ex, found := ctx.Value(exchangeKey{}).(*exchange); found {
		return ex
	}
	return &exchange{}
}

// ServeHTTP answers a request, logs it and counts it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()

	ex := &exchange{id: requestID(r), route: unmatched}
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, ex))
	s.find(w, r, ex)
	status, bytes := s.write(w, r, ex)

	took := time.Since(begin)
	s.metrics.observe(ex.route, r.Method, status, took)
	s.access(r, ex, status, bytes, took)
}

// find runs the handler of the request and keeps what it returns.
func (s *Server) find(w http.ResponseWriter, r *http.Request, ex *exchange) {
	defer func() {
		if v := recover(); v != nil {
			ex.out, ex.err = reply{}, &panicError{value: v, stack: debug.Stack()}
		}
	}()
	if ex.err = s.guard(r); ex.err != nil {
		return
	}
	if !canonical(r.URL.EscapedPath()) {
		ex.err = errNoPath
		return
	}
	if ex.err = s.skipBody(w, r); ex.err != nil {
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) dispatch(pattern string, answer answerer) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ex := exchangeOf(r.Context())
		ex.route = pattern
		ex.out, ex.err = answer(r)
	})
}

// skipBody reads the body to its end, as no call takes one, and refuses one that
// is over the bound. The read time-out ends there, too.
func (s *Server) skipBody(w http.ResponseWriter, r *http.Request) error {
	tooLarge := &fault.Error{
		Kind: fault.TooLarge, Code: "body_too_large",
		Detail: fmt.Sprintf("the body is larger than %d bytes", s.o.MaxBody),
	}
	if r.ContentLength > s.o.MaxBody {
		w.Header().Set("Connection", "close")
		return tooLarge
	}
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, s.o.MaxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge
	case err != nil:
		w.Header().Set("Connection", "close")
		return &fault.Error{Kind: fault.Invalid, Code: "body_unreadable", Detail: "the body could not be read to its end", Err: err}
	}
	return nil
}

// panicError is a handler that broke.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// requestID is the client's X-Request-Id if it is well-formed, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); wellFormed(id) {
		return id
	}
	return rand.Text()
}

func wellFormed(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// access writes the request's line in the log. It names the pattern and not the
// path or the query, which may hold anything.
func (s *Server) access(r *http.Request, ex *exchange, status int, bytes int64, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case status >= 500 && fault.KindOf(ex.err) != fault.Canceled: // a client that leaves is no trouble
		level = slog.LevelWarn
	case ex.route == "/healthz" || ex.route == "/readyz" || ex.route == "/metrics":
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("method", knownMethod(r.Method)), slog.String("route", ex.route), slog.Int("status", status),
		slog.Int64("bytes", bytes), slog.Duration("duration", took), slog.String("request_id", ex.id),
		slog.String("remote", r.RemoteAddr),
	}
	if broke, ok := errors.AsType[*panicError](ex.err); ok {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", string(broke.stack)))
	}
	if ex.err != nil {
		attrs = append(attrs, slog.String("err", ex.err.Error()))
	}
	s.o.Log.LogAttrs(r.Context(), level, "request", attrs...)
}
