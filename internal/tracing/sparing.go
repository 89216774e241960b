package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// sparing tells the log of trouble once in a while, and the SDK of none: that would
// tell a handler that all of the process shares.
type sparing struct {
	sdk.SpanExporter
	log     *slog.Logger
	waiting atomic.Int64 // spans in memory: see queue

	mu      sync.Mutex
	refused loss // what the collector did not take
	over    loss // what there was no room for
	failing bool // the log was told, and not yet that it goes well again
}

// loss is spans that were dropped.
type loss struct {
	spans int       // of which the log was not told
	told  time.Time // when it last was
}

// often is how long the log is left alone.
const often = 10 * time.Minute

// due tells whether the log is to hear of more spans, and of how many then.
func (l *loss) due(more int) (spans int, yes bool) {
	l.spans += more
	if l.spans == 0 || time.Since(l.told) < often {
		return 0, false
	}
	return l.tell(), true
}

func (l *loss) tell() (spans int) {
	spans, l.spans, l.told = l.spans, 0, time.Now()
	return spans
}

// ExportSpans implements sdk.SpanExporter.
func (s *sparing) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	s.waiting.Add(-int64(len(spans)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if lost, yes := s.refused.due(len(spans)); yes {
			s.failing = true
			s.log.Warn("traces are dropped: the collector does not take them", "lost", lost, "err", err)
		}
		return nil
	}
	lost, yes := s.refused.due(0)
	if s.failing && !yes { // it belongs to what was told
		lost, yes = s.refused.tell(), true
	}
	if s.failing = false; yes {
		s.log.Info("traces are taken again", "lost", lost)
	}
	return nil
}

// overflow notes a span that there was no room for.
func (s *sparing) overflow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lost, yes := s.over.due(1); yes {
		s.log.Warn("spans are left out: more come than can be sent", "lost", lost)
	}
}

// queue bounds the spans in memory, those on their way included. The SDK has a bound of
// its own, and tells nobody what falls over it.
type queue struct {
	sdk.SpanProcessor
	to *sparing
}

// OnEnd implements sdk.SpanProcessor.
func (q queue) OnEnd(span sdk.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if q.to.waiting.Add(1) > queueMost {
		q.to.waiting.Add(-1)
		q.to.overflow()
		return
	}
	q.SpanProcessor.OnEnd(span)
}
