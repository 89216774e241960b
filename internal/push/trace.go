package push

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/outbox"
	"ferryman/internal/span"
)

// endSpan ends the span of a list that was accepted, or not: then err says why.
func endSpan(s trace.Span, items []outbox.Item, err error) {
	if s.IsRecording() {
		s.SetAttributes(semconv.MessagingSystemKey.String(span.Scope), semconv.MessagingOperationName("accept"),
			semconv.MessagingOperationTypeCreate, semconv.MessagingBatchMessageCount(len(items)))
	}
	span.End(s, err)
}
