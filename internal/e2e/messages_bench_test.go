package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sink is a messenger that takes everything at once, as cheaply as can be: it
// shares the machine with the server that is measured.
type sink struct {
	url  string
	left atomic.Int64

	mu       sync.Mutex
	arrivals []arrival
	all      chan struct{}
}

type arrival struct {
	at   time.Time
	text string
}

func newSink(b *testing.B) *sink {
	b.Helper()
	s := &sink{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(func() { _ = server.Close() })
	s.url = "http://" + listener.Addr().String()
	return s
}

// expect prepares for n messages, for which await then waits.
func (s *sink) expect(n int) {
	s.left.Store(int64(n))
	s.arrivals, s.all = make([]arrival, 0, n), make(chan struct{})
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, text, _ := bytes.Cut(body, []byte(`"text":"`))
	s.mu.Lock()
	s.arrivals = append(s.arrivals, arrival{at, string(bytes.TrimSuffix(text, []byte(`"}`)))})
	s.mu.Unlock()
	w.Header()["Date"] = nil
	_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":1}}`)
	if s.left.Add(-1) == 0 {
		close(s.all)
	}
}

func (s *sink) await(b *testing.B) {
	b.Helper()
	select {
	case <-s.all:
	case <-time.After(5 * time.Minute):
		b.Fatalf("%d messages do not arrive", s.left.Load())
	}
}

// sender is the settings of a server that is measured.
func (s *sink) env(extra ...string) []string {
	return append([]string{
		manual, "TELEGRAM_TOKEN=1:bench", "TELEGRAM_BASE_URL=" + s.url,
		"TELEGRAM_RATE=none", "TELEGRAM_RECIPIENT_RATE=none",
	}, extra...)
}

// peak is the most memory that the server ever had, in MB.
func (n *node) peak(t testing.TB) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB / 1024
}

// poster is a client of the message API: one connection.
type poster struct {
	host string
	conn net.Conn
	in   *bufio.Reader
}

func newPoster(b *testing.B, base string) *poster {
	b.Helper()
	u, err := url.Parse(base)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return &poster{u.Host, conn, bufio.NewReader(conn)}
}

// call makes a call and reads its answer to the end.
func (p *poster) call(method, path, body string) (status int, err error) {
	if _, err := fmt.Fprintf(p.conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, p.host, len(body), body); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// later is a list of messages that are not sent while a benchmark runs. Their
// recipients come in no order, as those of a real list do: that is what the index
// which keeps messages unique finds hardest.
func later(first, n int) string {
	var b strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&b, `,{"user_id":%d,"messenger_id":1,"text":"message %d","start_at":"2040-01-02T03:04:05Z"}`, scattered(i), i)
	}
	return "[" + b.String()[1:] + "]"
}

// scattered is the i-th recipient, of ten digits.
func scattered(i int) uint32 { return uint32(i) * 2654435761 }

// accept posts n messages in lists and gives how many a second.
func accept(b *testing.B, server *node, first, n, list, clients int) float64 {
	b.Helper()
	return acceptOn(b, []*node{server}, first, n, list, clients)
}

// acceptOn does so with clients that are spread over some nodes.
func acceptOn(b *testing.B, nodes []*node, first, n, list, clients int) float64 {
	b.Helper()
	posters := make([]*poster, clients)
	for i := range posters {
		posters[i] = newPoster(b, nodes[i%len(nodes)].url)
	}
	lists := n / list
	bodies := make([]string, lists)
	for i := range bodies {
		bodies[i] = later(first+i*list, list)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for _, p := range posters {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= lists {
					return
				}
				if status, err := p.call("POST", "/messages/", bodies[i]); err != nil || status != 201 {
					b.Errorf("post: %d, %v", status, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(lists*list) / time.Since(begun).Seconds()
}

// BenchmarkAccept posts messages in lists to a server that runs as users run it.
// The clients share the machine with it.
func BenchmarkAccept(b *testing.B) {
	for name, book := range books {
		for _, list := range []int{1, 10, 100, 1000} {
			for _, clients := range []int{1, 8, 32} {
				b.Run(fmt.Sprintf("%s/list=%d/clients=%d", name, list, clients), func(b *testing.B) {
					state := b.TempDir()
					env, _ := book(b, state)
					server := serve(b, state, append(env, newSink(b).env()...))
					n := max(2000, 50*list)
					first, rate := 0, 0.0
					cpu := server.cpu(b)
					for b.Loop() {
						rate = accept(b, server, first, n, list, clients)
						first += n
					}
					b.ReportMetric(rate, "messages/s")
					b.ReportMetric(float64((server.cpu(b)-cpu).Microseconds())/float64(first), "cpu-µs/message")
					b.ReportMetric(server.peak(b), "peak-MB")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// BenchmarkDeliver has 50,000 messages that wait delivered to a local messenger.
func BenchmarkDeliver(b *testing.B) {
	const all = 50_000
	for name, book := range books {
		for _, concurrency := range []int{64, 256} {
			b.Run(fmt.Sprintf("%s/concurrency=%d", name, concurrency), func(b *testing.B) {
				state, s := b.TempDir(), newSink(b)
				env, look := book(b, state)
				env = append(env, s.env(fmt.Sprintf("FERRYMAN_SEND_CONCURRENCY=%d", concurrency))...)
				server := serve(b, state, env)
				first := 0
				var took time.Duration
				for b.Loop() {
					ferryman(b, state, env, "outbox", "pause", "telegram", "--reason", "to fill it")
					s.expect(all)
					for i := range all / 1000 {
						server.mustPost(messages(first+i*1000, 1000))
					}
					cpu := server.cpu(b)
					begun := time.Now()
					ferryman(b, state, env, "outbox", "resume", "telegram")
					s.await(b)
					took = time.Since(begun)
					first += all
					b.ReportMetric(float64((server.cpu(b)-cpu).Microseconds())/all, "cpu-µs/message")
				}
				b.ReportMetric(all/took.Seconds(), "messages/s")
				b.ReportMetric(server.peak(b), "peak-MB")
				b.ReportMetric(0, "ns/op")
				look.awaitSent(b, first)
			})
		}
	}
}

// BenchmarkLateness delivers messages that are due at even distances, and tells
// how long after its time each arrives.
func BenchmarkLateness(b *testing.B) {
	for name, book := range books {
		for _, perSecond := range []int{50, 1000} {
			b.Run(fmt.Sprintf("%s/rate=%d", name, perSecond), func(b *testing.B) {
				const lasts = 10 * time.Second
				all := perSecond * int(lasts/time.Second)
				state, s := b.TempDir(), newSink(b)
				env, _ := book(b, state)
				server := serve(b, state, append(env, s.env()...))
				var late []time.Duration
				round := 0
				for b.Loop() {
					s.expect(all)
					from := time.Now().Add(3 * time.Second).UTC().Truncate(time.Millisecond)
					due := func(i int) time.Time { return from.Add(time.Duration(i) * time.Second / time.Duration(perSecond)) }
					for some := range slices.Chunk(numbers(all), 500) {
						var list strings.Builder
						for _, i := range some {
							fmt.Fprintf(&list, `,{"user_id":%d,"messenger_id":1,"text":"%d %d","start_at":"%s"}`,
								i, i, round, due(i).Format("2006-01-02T15:04:05.000000Z"))
						}
						server.mustPost("[" + list.String()[1:] + "]")
					}
					s.await(b)
					late = late[:0]
					for _, a := range s.arrivals {
						i, err := strconv.Atoi(strings.Fields(a.text)[0])
						if err != nil {
							b.Fatal(err)
						}
						late = append(late, a.at.Sub(due(i)))
					}
					round++
				}
				slices.Sort(late)
				at := func(share float64) float64 {
					return float64(late[int(share*float64(len(late)-1))].Microseconds()) / 1000
				}
				b.ReportMetric(at(0.5), "p50-ms")
				b.ReportMetric(at(0.99), "p99-ms")
				b.ReportMetric(at(1), "max-ms")
				b.ReportMetric(0, "ns/op")
				if late[0] < 0 {
					b.Errorf("a message came %v too early", -late[0])
				}
			})
		}
	}
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// BenchmarkMillionMessages compares a table of a million messages with an empty
// one: lists of 1,000 that are accepted, and pages of messages.
func BenchmarkMillionMessages(b *testing.B) {
	const sample = 30_000
	pages := []string{
		"/messages/", "/messages/?limit=1000", "/messages/?state=scheduled", "/messages/?state=failed", "/messages/?messenger_id=1",
		fmt.Sprintf("/messages/?user_id=%d", scattered(777)), "/messages/?after=%d", "/messages/%d/",
	}
	for name, book := range books {
		b.Run(name, func(b *testing.B) {
			state := b.TempDir()
			env, _ := book(b, state)
			server := serve(b, state, append(env, newSink(b).env()...))
			for b.Loop() {
				empty := accept(b, server, 0, sample, 1000, 8)
				few := read(b, server, pages, sample/2)
				accept(b, server, sample, 1_000_000-sample, 1000, 8)
				full := accept(b, server, 1_000_000, sample, 1000, 8)
				many := read(b, server, pages, 500_000)
				b.ReportMetric(empty, "empty-messages/s")
				b.ReportMetric(full, "million-messages/s")
				for i, page := range pages {
					b.Logf("%-28s %8v of %d, %8v of a million", page, few[i], sample, many[i])
				}
			}
			b.ReportMetric(server.peak(b), "peak-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// read gives the 95th percentile of how long each of the pages takes.
func read(b *testing.B, server *node, pages []string, id int) (p95 []time.Duration) {
	b.Helper()
	p := newPoster(b, server.url)
	for _, page := range pages {
		if strings.Contains(page, "%d") {
			page = fmt.Sprintf(page, id)
		}
		var took []time.Duration
		for range 40 {
			begun := time.Now()
			if status, err := p.call("GET", page, ""); err != nil || status != 200 {
				b.Fatalf("%s: %d, %v", page, status, err)
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		p95 = append(p95, took[len(took)*95/100].Round(10*time.Microsecond))
	}
	return p95
}
