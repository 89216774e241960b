package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/apikey"
	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
)

// answerer is a handler: it returns what to say, and never says it itself.
type answerer func(*http.Request) (reply, error)

// exchange is one request on its way through the server.
type exchange struct {
	id    string // X-Request-Id
	route route
	who   apikey.Identity // on routes that ask for a key
	body  []byte          // on routes that take one
	place share           // of a large list of messages, until its answer is out
	out   reply
	err   error
	cut   bool // the answer broke off in the middle

	passed *passing // if the dashboard answers

	begun time.Time
	span  trace.Span // nil: it is not traced
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
	ex := &exchange{route: route{pattern: unmatched}, begun: time.Now()}
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()

	r = s.o.Proxies.Take(r)
	ex.id = requestID(r)
	defer ex.place.leave()
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, ex)) //nolint:contextcheck // it is the request's own
	if len(r.TransferEncoding) > 0 {
		// It may have had a length as well, which net/http does not tell. RFC 9112 has the
		// connection end then: another reader may see the next request in this one's body.
		w.Header().Set("Connection", "close")
	}
	s.find(w, r, ex)
	s.finish(w, r, ex)
}

// finish writes the answer, logs the request and counts it.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, ex *exchange) {
	var status int
	var bytes int64
	if ex.passed != nil {
		status, bytes = or(ex.passed.status, http.StatusOK), ex.passed.bytes
	} else {
		status, bytes = s.write(w, r, ex)
	}
	took := time.Since(ex.begun)
	s.metrics.observe(ex.route.pattern, r.Method, status, took)
	s.logRequest(r, ex, status, bytes, took)
	ex.endSpan(status)
	s.keepRefused(r, ex, status)
	if ex.cut {
		panic(http.ErrAbortHandler) // or the client would take what it has for the whole
	}
}

// find runs the handler of the request and keeps what it returns.
func (s *Server) find(w http.ResponseWriter, r *http.Request, ex *exchange) {
	defer func() {
		switch v := recover(); {
		case v == nil:
		case v == http.ErrAbortHandler && ex.passed != nil: //nolint:errorlint // as net/http compares it
			ex.cut = true // the dashboard breaks off on purpose
		default:
			ex.out, ex.err = reply{}, &panicError{value: v, stack: debug.Stack()}
			if ex.passed != nil && ex.passed.status != 0 {
				ex.cut = true // what is out cannot be called back
			} else {
				ex.passed = nil
			}
		}
	}()
	if ex.err = s.guard(r); ex.err != nil {
		return
	}
	if !canonical(r.URL.EscapedPath()) {
		ex.err = errNoPath
		return
	}
	if rt, found := s.reports.find(r); found {
		s.run(w, r, ex, rt)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) dispatch(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.run(w, r, exchangeOf(r.Context()), rt)
	})
}

// run lets a route answer, if its caller may have an answer.
func (s *Server) run(w http.ResponseWriter, r *http.Request, ex *exchange, rt route) {
	ex.route = rt
	awaitAnswer(w, r)
	if ex.err = s.admit(r, rt.access); ex.err != nil {
		if r.ContentLength > largeBody {
			refuseBody(w, r)
		}
		return
	}
	r = s.beginSpan(r, ex)
	if rt.access.body && !rt.access.bulk && (r.ContentLength < 0 || r.ContentLength > largeBody) {
		leave, found := s.room()
		if !found {
			refuseBody(w, r)
			ex.err = errManyBodies
			return
		}
		defer leave()
	}
	if ex.err = s.takeBody(w, r, ex); ex.err != nil {
		return
	}
	ex.out, ex.err = rt.answer(r)
	s.note(r, ex)
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

// logRequest writes the request's line in the log. It names the pattern and not the
// path or the query, which may hold anything.
func (s *Server) logRequest(r *http.Request, ex *exchange, status int, bytes int64, took time.Duration) {
	level := slog.LevelInfo
	notReady, _ := errors.AsType[*fault.Error](ex.err)
	switch {
	case notReady != nil && notReady.Code == "not_ready" && !s.unready.because(notReady.Detail):
		level = slog.LevelDebug
	case (status >= 500 || ex.cut) && fault.KindOf(ex.err) != fault.Canceled: // a client that leaves is no trouble
		level = slog.LevelWarn
	case ex.route.quiet && status < 400:
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("method", knownMethod(r.Method)), slog.String("route", ex.route.pattern), slog.Int("status", status),
		slog.Int64("bytes", bytes), slog.Duration("duration", took), slog.String("request_id", ex.id),
		slog.String("remote", forwarded.Of(r).String()),
	}
	if broke, ok := errors.AsType[*panicError](ex.err); ok {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", string(broke.stack)))
	}
	if ex.err != nil {
		attrs = append(attrs, slog.String("err", ex.err.Error()))
	}
	ctx := r.Context()
	if ex.span != nil {
		ctx = trace.ContextWithSpan(ctx, ex.span)
	}
	s.o.Log.LogAttrs(ctx, level, "request", attrs...)
}
