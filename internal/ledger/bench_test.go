package ledger_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/ledger"
)

// BenchmarkPairs starts and ends executions by so many clients at a time, each
// with a cron of its own, durably.
func BenchmarkPairs(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			stores(b, db.Options{}, func(b *testing.B, d *db.DB) { pairs(b, d, clients) })
		})
	}
}

func pairs(b *testing.B, d *db.DB, clients int) {
	l, ctx := ledger.New(d), b.Context()
	crons := make([]ledger.Cron, clients)
	for i := range crons {
		c, err := l.Create(ctx, 1, fmt.Sprintf("cron-%d", i), ledger.Settings{Active: true, MaxRunning: 1})
		if err != nil {
			b.Fatal(err)
		}
		crons[i] = c
	}
	took := make([][]time.Duration, clients)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				begun := time.Now()
				e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ledger.Ref{Slug: crons[i].Slug}, Trigger: ledger.HTTP, Holder: "host"})
				if err != nil {
					b.Error(err)
					return
				}
				started := time.Now()
				if _, err := l.Report(ctx, 1, e.ID, ledger.Report{Success: true, Type: ledger.Succeeded}); err != nil {
					b.Error(err)
					return
				}
				took[i] = append(took[i], started.Sub(begun), time.Since(started))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkSay adds a thousand messages in one call.
func BenchmarkSay(b *testing.B) {
	stores(b, db.Options{}, func(b *testing.B, d *db.DB) {
		l := ledger.New(d)
		cron := create(b, l, 1, "s", nil)
		e, _, err := l.Start(b.Context(), ledger.Start{App: 1, Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := l.Say(b.Context(), 1, e.ID, lines(1, 1000)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
