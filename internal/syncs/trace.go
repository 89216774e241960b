package syncs

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
	"ferryman/internal/span"
)

// spansMost is how many spans the trace of a run may have below its own. The first
// sync of a large campaign makes a hundred thousand calls.
const spansMost = 500

// beginSpan begins the span of a run, from its start to its end in the ledger.
func (s *Syncer) beginSpan(ctx context.Context, e ledger.Execution, place []trace.SpanStartOption) (context.Context, trace.Span) {
	if s.set.tracer == nil {
		return ctx, noop.Span{}
	}
	ctx, t := s.set.tracer.Start(ctx, "sync "+s.sync.Slug, append(place, trace.WithAttributes(
		attribute.String("ferryman.cron", s.sync.Slug), attribute.Int64("ferryman.execution.id", e.ID),
		attribute.String("ferryman.trigger", string(e.Trigger)), attribute.Int64("ferryman.attempt", e.Attempt),
	))...)
	return span.WithBudget(ctx, spansMost), t
}

// told tells the span of ctx what the run came to.
func told(ctx context.Context, t trace.Span, r pipeline.Report, err error) {
	if !t.IsRecording() {
		return
	}
	t.SetAttributes(r.Attributes()...)
	if n := span.LeftOut(ctx); n > 0 {
		t.SetAttributes(attribute.Int64("ferryman.spans.left_out", n))
	}
	span.Fail(t, err)
}
