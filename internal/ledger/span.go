package ledger

import (
	"context"
	"fmt"
	"math"
	"time"
)

// lookBefore is among how many executions of a cron that began before a span
// those are looked for that ended in it.
const lookBefore = 20

// SpanFilter chooses executions that went on at some time of a span.
type SpanFilter struct {
	App     int64     // 0: of any application
	Crons   []int64   // of these
	Since   time.Time // ended then or later, or not yet; zero: whenever
	Until   time.Time // started before; zero: whenever
	PerCron int       // the newest of each cron, at most 500
}

// Span gives what crons were doing in a span of time, the oldest first. Of what
// began before the span it knows what still runs and, of each cron, the newest
// twenty.
func (l *Ledger) Span(ctx context.Context, f SpanFilter) (map[int64][]Execution, error) {
	lo, hi, err := l.begunIn(ctx, f.Since, f.Until)
	if err != nil {
		return nil, fmt.Errorf("executions of a span: %w", err)
	}
	since, until := int64(0), int64(math.MaxInt64)
	if !f.Since.IsZero() {
		since = f.Since.UnixMicro()
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMicro()
	}
	query := fmt.Sprintf(`SELECT id FROM (%s) AS within
		UNION ALL SELECT id FROM (%s) AS lasting WHERE ended_at >= $4 AND started_at < $5
		UNION ALL SELECT id FROM (%s) AS running`,
		newestOf("x.id >= $2 AND x.id < $3 AND (x.ended_at >= $4 OR x.ended_at IS NULL) AND x.started_at < $5", f.PerCron),
		newestOf("x.id < $2 AND x.id < $3", lookBefore),
		newestOf("x.id < $2 AND x.id < $3 AND x.ended_at IS NULL AND x.started_at < $5", f.PerCron))
	all, err := l.ofEach(ctx, f.App, f.Crons, query, lo, hi, since, until)
	if err != nil {
		return nil, fmt.Errorf("executions of a span: %w", err)
	}
	for cron, some := range all {
		all[cron] = some[max(len(some)-f.PerCron, 0):]
	}
	return all, nil
}
