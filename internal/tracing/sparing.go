package tracing

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// sparing tells the log of trouble once in a while, and the SDK of none: that would
// tell a handler that all of the process shares.
type sparing struct {
	sdk.SpanExporter
	log *slog.Logger

	mu   sync.Mutex
	lost int       // spans since it went well
	told time.Time // when the log was last told; zero since it goes well
}

// often is how long the log is left alone.
const often = 10 * time.Minute

// ExportSpans implements sdk.SpanExporter.
func (s *sparing) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && s.lost > 0:
		s.log.Info("traces are taken again", "lost", s.lost)
		s.lost, s.told = 0, time.Time{}
	case err != nil:
		s.lost += len(spans)
		if time.Since(s.told) >= often {
			s.told = time.Now()
			s.log.Warn("traces are dropped: the collector does not take them", "lost", s.lost, "err", err)
		}
	}
	return nil
}
