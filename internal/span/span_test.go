package span_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/fault"
	"ferryman/internal/span"
)

// begin begins the only span that has none above it.
func begin(t testing.TB) (context.Context, *tracetest.SpanRecorder) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	ctx, root := provider.Tracer(span.Scope).Start(t.Context(), "root")
	t.Cleanup(func() { root.End() })
	return ctx, recorder
}

func TestNothingBeginsWhereNothingIsTraced(t *testing.T) {
	ctx, s := span.Start(t.Context(), "x")
	if s.IsRecording() || ctx != t.Context() || span.Traceparent(ctx) != "" {
		t.Errorf("got %v", s)
	}
	span.End(s, errors.New("x"))
	if span.WithBudget(ctx, 1) != ctx {
		t.Error("a budget was made of nothing")
	}
	// What a caller is traced by is nothing that is traced here.
	if _, s := span.Start(span.Below(ctx, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "x"); s.IsRecording() {
		t.Error("a span began below one of somebody else, without a tracer")
	}
}

func TestEndTellsTheCodeAndNotTheWords(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		code   string
		status codes.Code
	}{
		"well":         {nil, "", codes.Unset},
		"trouble":      {&fault.Error{Kind: fault.Unavailable, Code: "refused", Detail: "words"}, "refused", codes.Error},
		"a refusal":    {&fault.Error{Kind: fault.Conflict, Code: "already_running", Detail: "words"}, "already_running", codes.Unset},
		"unclassified": {errors.New("words"), "internal", codes.Error},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, recorder := begin(t)
			_, s := span.Start(ctx, "x")
			span.End(s, test.err)
			got := recorder.Ended()[0]
			code := ""
			for _, a := range got.Attributes() {
				if a.Key == "error.type" {
					code = a.Value.AsString()
				}
				if a.Value.String() == "words" {
					t.Errorf("it tells %v", a)
				}
			}
			if code != test.code || got.Status().Code != test.status || got.Status().Description == "words" || len(got.Events()) > 0 {
				t.Errorf("got %q, %v", code, got.Status())
			}
		})
	}
}

func TestABudgetIsKept(t *testing.T) {
	ctx, recorder := begin(t)
	ctx = span.WithBudget(ctx, 3)
	for range 5 {
		below, s := span.Start(ctx, "x")
		_, deep := span.Start(below, "y")
		span.End(deep, nil)
		span.End(s, nil)
	}
	if n := len(recorder.Ended()); n != 3 || span.LeftOut(ctx) != 7 {
		t.Errorf("%d spans, and %d left out", n, span.LeftOut(ctx))
	}
}

func TestAfterLinksATraceOfItsOwn(t *testing.T) {
	ctx, recorder := begin(t)
	asked := trace.SpanContextFromContext(ctx)
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(span.Scope)
	for traceparent, links := range map[string]int{span.Traceparent(ctx): 1, "": 0, "00-nonsense": 0} {
		_, s := tracer.Start(ctx, "later", span.After(ctx, traceparent)...)
		s.End()
		got := recorder.Ended()[len(recorder.Ended())-1]
		if got.Parent().IsValid() || got.SpanContext().TraceID() == asked.TraceID() || len(got.Links()) != links {
			t.Errorf("after %q: %+v with %v", traceparent, got.Parent(), got.Links())
		}
		if links == 1 && (got.Links()[0].SpanContext.SpanID() != asked.SpanID() || got.Links()[0].SpanContext.TraceID() != asked.TraceID()) {
			t.Errorf("linked to %+v, not %+v", got.Links()[0].SpanContext, asked)
		}
	}
}

// BenchmarkUntraced is what it costs where nothing is traced.
func BenchmarkUntraced(b *testing.B) {
	ctx := b.Context()
	for b.Loop() {
		_, s := span.Start(ctx, "x")
		span.End(s, nil)
	}
}
