package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/syncs"
)

// syncMetrics tell Prometheus how the syncs of this process went.
type syncMetrics struct {
	runs     *prometheus.CounterVec
	duration *prometheus.HistogramVec
	rows     *prometheus.CounterVec
	success  *prometheus.GaugeVec
}

func newSyncMetrics(r *prometheus.Registry) *syncMetrics {
	m := &syncMetrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ferryman_sync_runs_total", Help: "Runs that ended, by reason; the reason of a good one is ok.",
		}, []string{"sync", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ferryman_sync_duration_seconds", Help: "How long runs took.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30, 100, 300},
		}, []string{"sync"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ferryman_sync_rows_total", Help: "Rows by table and by what became of them.",
		}, []string{"sync", "table", "effect"}),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ferryman_sync_last_success_timestamp_seconds", Help: "When the last good run ended that this node knows of.",
		}, []string{"sync"}),
	}
	r.MustRegister(m.runs, m.duration, m.rows, m.success)
	return m
}

// recall begins with what the store knows of syncs: whoever watches how long ago one
// succeeded must not lose sight of it with a restart.
func (m *syncMetrics) recall(ctx context.Context, l *ledger.Ledger, app int64, slugs []string) error {
	for _, slug := range slugs {
		cron, err := l.CronStatus(ctx, app, ledger.Ref{Slug: slug})
		if err != nil {
			return err
		}
		if !cron.LastSuccess.IsZero() {
			m.succeeded(slug, cron.LastSuccess)
		}
	}
	return nil
}

func (m *syncMetrics) succeeded(sync string, at time.Time) {
	m.success.WithLabelValues(sync).Set(float64(at.UnixMilli()) / 1000)
}

func (m *syncMetrics) ended(r syncs.Run) {
	reason := r.Reason
	if r.OK() {
		reason = "ok"
		m.succeeded(r.Sync, r.EndedAt)
	}
	m.runs.WithLabelValues(r.Sync, reason).Inc()
	m.duration.WithLabelValues(r.Sync).Observe(r.EndedAt.Sub(r.StartedAt).Seconds())
	for _, t := range r.Report.Tables {
		for effect, n := range map[string]int64{
			"read": t.Read, "written": t.Written, "unchanged": t.Unchanged, "deleted": t.Deleted, "rejected": t.Rejected,
		} {
			m.rows.WithLabelValues(r.Sync, t.Table, effect).Add(float64(n))
		}
	}
}

// sendMetrics tell Prometheus how the deliveries of this process went.
type sendMetrics struct {
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	lateness *prometheus.HistogramVec
}

func newSendMetrics(r *prometheus.Registry) *sendMetrics {
	m := &sendMetrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ferryman_delivery_attempts_total", Help: "Attempts to send a delivery, by what they came to.",
		}, []string{"channel", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ferryman_delivery_attempt_duration_seconds", Help: "How long attempts took.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"channel"}),
		lateness: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ferryman_delivery_lateness_seconds", Help: "How long after its time an attempt began.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 10, 100, 1000},
		}, []string{"channel"}),
	}
	r.MustRegister(m.attempts, m.duration, m.lateness)
	return m
}

// serves begins with 0 for a channel: of a counter that appears with the first attempt
// Prometheus sees no increase.
func (m *sendMetrics) serves(channel string) {
	for _, v := range []outbox.Verdict{outbox.Accepted, outbox.Retry, outbox.Rejected, outbox.Blocked, outbox.Uncertain} {
		m.attempts.WithLabelValues(channel, string(v))
	}
}

func (m *sendMetrics) observe(channel string, o outbox.Outcome, late, took time.Duration) {
	m.attempts.WithLabelValues(channel, string(o.Verdict)).Inc()
	if took == 0 { // nobody saw how long it was
		return
	}
	m.duration.WithLabelValues(channel).Observe(took.Seconds())
	m.lateness.WithLabelValues(channel).Observe(late.Seconds())
}
