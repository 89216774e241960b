package httpapi

import (
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/fault"
)

// traced tells which calls have spans: not what only looks whether the server is
// there, and not pages and other files. A call of the dashboard has one if it changes
// something.
func traced(method string, rt route) bool {
	switch {
	case rt.pattern == dashboardRoot:
		return method != http.MethodGet && method != http.MethodHead
	default:
		return !rt.access.public && rt.pattern != "/metrics"
	}
}

// beginSpan begins the span of a call that is let in, below that of its caller if it
// names one: a sampler may go by it, so nobody else has a say. It is known by the
// route's pattern: paths and queries may hold anything.
func (s *Server) beginSpan(r *http.Request, ex *exchange) *http.Request {
	if s.o.Tracer == nil || !traced(r.Method, ex.route) {
		return r
	}
	ctx := r.Context()
	if ex.passed == nil { // the dashboard finds out later whom it lets in
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	method := knownMethod(r.Method)
	ctx, ex.span = s.o.Tracer.Start(ctx, method+" "+ex.route.pattern,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(ex.begun), trace.WithAttributes(
			semconv.HTTPRequestMethodKey.String(method), semconv.HTTPRoute(ex.route.pattern), attribute.String("ferryman.request.id", ex.id),
		))
	return r.WithContext(ctx)
}

// endSpan ends it with what was answered.
func (ex *exchange) endSpan(status int) {
	if ex.span == nil {
		return
	}
	if ex.passed != nil { // it was not known when it began
		ex.span.SetName(ex.passed.method + " " + ex.route.pattern)
		ex.span.SetAttributes(semconv.HTTPRoute(ex.route.pattern))
	}
	ex.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if ex.err != nil {
		ex.span.SetAttributes(semconv.ErrorTypeKey.String(fault.CodeOf(ex.err)))
	}
	if status >= http.StatusInternalServerError || ex.cut {
		if ex.err == nil {
			ex.span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		}
		ex.span.SetStatus(codes.Error, "")
	}
	ex.span.End()
}
