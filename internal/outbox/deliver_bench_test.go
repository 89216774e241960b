package outbox_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/outbox"
)

// poster posts deliveries to a server.
type poster struct {
	client *http.Client
	url    string
}

func (p poster) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(d.Payload))
	if err != nil {
		return outbox.Outcome{Verdict: outbox.Rejected, Code: "request"}
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return outbox.Outcome{Verdict: outbox.Uncertain, Code: "network"}
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return outbox.Outcome{Verdict: outbox.Accepted, Status: answer.StatusCode, Reference: "1"}
}

// sink is a server that accepts all, with a channel to it.
func sink(b *testing.B) poster {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	b.Cleanup(server.Close)
	return poster{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}, server.URL}
}

// BenchmarkDeliver sends 50,000 deliveries, all due, in the process and over HTTP.
func BenchmarkDeliver(b *testing.B) {
	const n = 50_000
	for _, via := range []string{"process", "http"} {
		b.Run(via, func(b *testing.B) {
			onEachStore(b, func(b *testing.B, d *db.DB) {
				var channel outbox.Channel = accepting{}
				if via == "http" {
					channel = sink(b)
				}
				for b.Loop() {
					b.StopTimer()
					o := outbox.New(d, outbox.Options{})
					var sent atomic.Int64
					all := make(chan struct{})
					o.Set("telegram", outbox.Config{Channel: counted(channel, func() {
						if sent.Add(1) == n {
							close(all)
						}
					})})
					for from := 0; from < n; from += 1000 {
						items := make([]outbox.Item, 1000)
						for i := range items {
							items[i] = outbox.Item{Channel: "telegram", Recipient: fmt.Sprint(from + i), Payload: "Dear customer, your parcel waits for you."}
						}
						addItems(b, d, o, outbox.Refuse, items...)
					}
					b.StartTimer()
					stop := running(b, o, time.Second)
					<-all
					stop() // the last results are noted, too
				}
				b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "deliveries/s")
			})
		})
	}
}

// accepting accepts all.
type accepting struct{}

func (accepting) Send(context.Context, outbox.Delivery) outbox.Outcome {
	return outbox.Outcome{Verdict: outbox.Accepted}
}

// tapped tells of each attempt's end.
type tapped struct {
	outbox.Channel
	ended func()
}

func counted(c outbox.Channel, ended func()) outbox.Channel { return tapped{c, ended} }

func (t tapped) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	defer t.ended()
	return t.Channel.Send(ctx, d)
}

// BenchmarkLateness sends so many a second over HTTP, each at its own time, and
// tells how late the attempts began.
func BenchmarkLateness(b *testing.B) {
	const seconds = 5
	for _, perSecond := range []int{50, 1000} {
		b.Run(fmt.Sprintf("per_second=%d", perSecond), func(b *testing.B) {
			onEachStore(b, func(b *testing.B, d *db.DB) {
				channel := sink(b)
				var mu sync.Mutex
				var late []time.Duration
				for b.Loop() {
					all := make(chan struct{})
					n := 0
					o := outbox.New(d, outbox.Options{Observe: func(_ string, _ outbox.Outcome, by, _ time.Duration) {
						mu.Lock()
						defer mu.Unlock()
						late = append(late, by)
						if n++; n == seconds*perSecond {
							close(all)
						}
					}})
					o.Set("telegram", outbox.Config{Channel: channel})
					first := d.Now().Add(time.Second)
					items := make([]outbox.Item, seconds*perSecond)
					for i := range items {
						at := first.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
						items[i] = outbox.Item{Channel: "telegram", Recipient: fmt.Sprint(i), Payload: "Dear customer", StartAt: &at}
					}
					addItems(b, d, o, outbox.Refuse, items...)
					stop := running(b, o, time.Second)
					<-all
					stop()
				}
				slices.Sort(late)
				b.ReportMetric(float64(late[len(late)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64(late[len(late)-1].Microseconds())/1000, "max-ms")
				b.ReportMetric(0, "ns/op")
			})
		})
	}
}
