// Package span is how the parts of Ferryman tell a trace what they do. Each begins
// its span below the one that its context holds; where nothing is traced a context
// holds none, and then nothing is done at all.
//
// A span ends with a code and not with words: what is traced may leave the
// organisation, and an error may quote what it was about. The log has the words, with
// the trace's id.
package span

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"ferryman/internal/fault"
)

// Scope is what all spans are of, as OpenTelemetry calls it.
const Scope = "ferryman"

// Start begins a span below the one of ctx, to be ended by End. Where that is not
// recorded, or its budget is spent, it gives one that does nothing.
func Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() || !spend(ctx) {
		return ctx, noop.Span{}
	}
	return parent.TracerProvider().Tracer(Scope).Start(ctx, name, options...)
}

// End ends s, and says by which code it failed, if err is not nil. What was refused for
// what was asked is no failure of the one who refuses: it has the code alone.
func End(s trace.Span, err error) {
	Fail(s, err)
	s.End()
}

// Fail says so of a span that goes on.
func Fail(s trace.Span, err error) {
	if err != nil && s.IsRecording() {
		code := fault.CodeOf(err)
		s.SetAttributes(semconv.ErrorTypeKey.String(code))
		if !refusal(fault.KindOf(err)) {
			s.SetStatus(codes.Error, code)
		}
	}
}

func refusal(k fault.Kind) bool {
	switch k {
	case fault.NotFound, fault.Inactive, fault.Conflict, fault.Unprocessable:
		return true
	default:
		return false
	}
}

// budgetKey is under which a context has its budget.
type budgetKey struct{}

// budget is how many spans may begin below one.
type budget struct{ left, over atomic.Int64 }

// WithBudget has no more than n spans begin below the one of ctx, so that a run has a
// trace that can be looked at, however long it is.
func WithBudget(ctx context.Context, n int64) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	b := &budget{}
	b.left.Store(n)
	return context.WithValue(ctx, budgetKey{}, b)
}

// LeftOut is how many spans more would have begun.
func LeftOut(ctx context.Context) int64 {
	if b, found := ctx.Value(budgetKey{}).(*budget); found {
		return b.over.Load()
	}
	return 0
}

func spend(ctx context.Context) bool {
	b, found := ctx.Value(budgetKey{}).(*budget)
	if !found || b.left.Add(-1) >= 0 {
		return true
	}
	b.over.Add(1)
	return false
}

// Traceparent is where ctx stands, as W3C Trace Context writes it; "" where nothing is
// traced. It is kept with what is to be done later.
func Traceparent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// Below gives ctx the place of a traceparent, so that what begins is below it. One that
// is none, such as "", leaves ctx as it is.
func Below(ctx context.Context, traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// After begins a trace of its own for work that was asked for at a traceparent, and
// links it to that.
func After(ctx context.Context, traceparent string) []trace.SpanStartOption {
	options := []trace.SpanStartOption{trace.WithNewRoot()}
	nowhere := trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	if asked := trace.SpanContextFromContext(Below(nowhere, traceparent)); asked.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: asked}))
	}
	return options
}
