package e2e

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
)

// BenchmarkLedger has so many clients at a time start and end executions, each of
// a cron of its own, of a server that runs as users run it. The clients share the
// machine with it.
func BenchmarkLedger(b *testing.B) {
	for name, book := range books {
		for _, clients := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/clients=%d", name, clients), func(b *testing.B) {
				state := b.TempDir()
				env, _ := book(b, state)
				env = append(env, "FERRYMAN_KEY_RATE=0", "FERRYMAN_LOG_LEVEL=info", "INTERVAL_SCHEDULER_SECONDS=86400")
				ferryman(b, state, env, "app", "add", "bench")
				key := ferryman(b, state, env, "key", "create", "--app", "bench")
				for i := range clients {
					ferryman(b, state, env, "cron", "add", fmt.Sprintf("job-%d", i), "--app", "bench", "--max-running", "1")
				}
				pairs(b, serve(b, state, env), key, clients)
			})
		}
	}
}

func pairs(b *testing.B, n *node, key string, clients int) {
	var reporters []*reporter
	for range clients {
		reporters = append(reporters, newReporter(b, n.url, key))
	}
	took := make([][]time.Duration, clients)
	var left atomic.Int64
	left.Store(int64(b.N))
	cpu := n.cpu(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, r := range reporters {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				begun := time.Now()
				start, err := r.post(fmt.Sprintf("/api/job-%d/start", i), "")
				if err != nil || start.status != 200 {
					b.Errorf("start: %d, %v", start.status, err)
					return
				}
				started := time.Now()
				if end, err := r.post(fmt.Sprintf("/api/%d/end", start.ID), succeeded); err != nil || end.status != 200 {
					b.Errorf("end: %d, %v", end.status, err)
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
	if len(all) == 0 {
		return
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64((n.cpu(b)-cpu).Microseconds())/float64(2*b.N), "cpu-µs/call")
}

// cpu is the processor time that the server has used. That of a PostgreSQL server
// is not part of it.
func (n *node) cpu(t testing.TB) time.Duration {
	t.Helper()
	used := program.CPU(n.cmd.Process.Pid)
	if used == 0 {
		t.Fatal("the server has ended")
	}
	return used
}
