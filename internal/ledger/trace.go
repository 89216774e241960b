package ledger

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/span"
)

// endSpan ends the span of a call, with what it was about.
func endSpan(s trace.Span, e Execution, replayed bool, err error) {
	if s.IsRecording() {
		if e.ID != 0 {
			s.SetAttributes(attribute.Int64("ferryman.execution.id", e.ID))
		}
		if e.Slug != "" {
			s.SetAttributes(attribute.String("ferryman.cron", e.Slug))
		}
		if e.Status != "" {
			s.SetAttributes(attribute.String("ferryman.execution.status", string(e.Status)))
		}
		if replayed {
			s.SetAttributes(attribute.Bool("ferryman.replayed", true))
		}
	}
	span.End(s, err)
}
