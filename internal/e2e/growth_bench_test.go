package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// size is how many bytes the store's tables and indexes take, spare room included.
func (d database) size(b *testing.B) float64 {
	b.Helper()
	query := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	if strings.HasPrefix(d.url, "postgres") {
		query = "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables"
	}
	n, err := strconv.ParseFloat(d.column(b, query)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkGrowth tells by how much a store grows with each execution that has two
// messages, and with each message to a person that is delivered, its attempt included.
func BenchmarkGrowth(b *testing.B) {
	const executions, deliveries, clients = 5_000, 20_000, 8
	for name, book := range books {
		b.Run(name, func(b *testing.B) {
			state, s := b.TempDir(), newSink(b)
			env, look := book(b, state)
			env = append(env, append(s.env(), "FERRYMAN_KEY_RATE=0")...)
			ferryman(b, state, env, "app", "add", "bench")
			key := ferryman(b, state, env, "key", "create", "--app", "bench")
			for i := range clients {
				ferryman(b, state, env, "cron", "add", fmt.Sprintf("job-%d", i), "--app", "bench")
			}
			server := serve(b, state, env)
			for b.Loop() {
				before := look.size(b)
				var all sync.WaitGroup
				for i := range clients {
					r := newReporter(b, server.url, key)
					all.Go(func() { r.runs(b, fmt.Sprintf("job-%d", i), executions/clients) })
				}
				all.Wait()
				middle := look.size(b)
				s.expect(deliveries)
				for i := range deliveries / 1000 {
					server.mustPost(messages(i*1000, 1000))
				}
				s.await(b)
				look.awaitSent(b, deliveries)
				b.ReportMetric((middle-before)/executions, "B/execution")
				b.ReportMetric((look.size(b)-middle)/deliveries, "B/delivery")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// runs reports so many executions of a cron, each with a message on its way and one
// at its end.
func (r *reporter) runs(b *testing.B, slug string, n int) {
	for range n {
		start, err := r.post("/api/"+slug+"/start", "")
		if err != nil || start.status != 200 {
			b.Errorf("start: %d, %v", start.status, err)
			return
		}
		for _, call := range []struct{ path, body string }{
			{"message", `{"type":"info","message":"1000 rows read from the warehouse"}`},
			{"end", `{"type":"success","success":true,"message":"1000 rows written"}`},
		} {
			if said, err := r.post(fmt.Sprintf("/api/%d/%s", start.ID, call.path), call.body); err != nil || said.status != 200 {
				b.Errorf("%s: %d, %v", call.path, said.status, err)
				return
			}
		}
	}
}
