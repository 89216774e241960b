package outbox

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"ferryman/internal/span"
)

// beginSpan begins the span of an attempt. It is a trace of its own, with a link to
// what asked for the delivery: that may be hours ago, and have asked for ten thousand.
// Neither recipient nor text is in it.
func (d *dispatcher) beginSpan(ctx context.Context, f flight) (context.Context, trace.Span) {
	if d.o.o.Tracer == nil {
		return ctx, noop.Span{}
	}
	return d.o.o.Tracer.Start(ctx, "deliver "+d.name, append(span.After(ctx, f.traceparent), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		semconv.MessagingSystemKey.String(span.Scope), semconv.MessagingOperationName("deliver"), semconv.MessagingOperationTypeProcess,
		semconv.MessagingDestinationName(d.name), semconv.MessagingMessageID(f.UID),
		attribute.Int64("ferryman.delivery.id", f.ID), attribute.Int("ferryman.attempt", f.Attempt),
	))...)
}

// endSpan ends it with the outcome, and gives its place for the log.
func endSpan(s trace.Span, o Outcome) trace.SpanContext {
	if s.IsRecording() {
		s.SetAttributes(attribute.String("ferryman.outcome", string(o.Verdict)))
		if o.Verdict != Accepted {
			s.SetAttributes(semconv.ErrorTypeKey.String(o.Code))
			s.SetStatus(codes.Error, o.Code)
		}
	}
	s.End()
	return s.SpanContext()
}
