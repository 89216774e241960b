package messengers

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// nowhere is where answers go that nobody reads.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header          { return w.header }
func (nowhere) Write(text []byte) (int, error) { return len(text), nil }
func (nowhere) WriteHeader(int)                {}

// BenchmarkHandler is the simulator alone, each message another one.
func BenchmarkHandler(b *testing.B) {
	for _, limits := range []Limits{{}, VendorLimits()} {
		b.Run(fmt.Sprintf("limits=%v", limits != Limits{}), func(b *testing.B) {
			s, err := New(Options{Limits: limits})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				body := strings.NewReader(fmt.Sprintf(`{"chat_id":"%d","text":"message number %d"}`, n, n))
				r := httptest.NewRequest(http.MethodPost, botPath, body)
				r.Header.Set("Content-Type", "application/json")
				s.ServeHTTP(nowhere{http.Header{}}, r)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// BenchmarkLoopback is a server and 32 clients in one process, beside a server
// that reads and says nothing.
func BenchmarkLoopback(b *testing.B) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "{}")
	})
	s, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{"simulator": s, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			srv := httptest.NewServer(handler)
			defer srv.Close()
			c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := c.Post(srv.URL+botPath, "application/json", strings.NewReader(`{"chat_id":"5","text":"hello"}`))
					if err != nil {
						b.Error(err)
						return
					}
					if _, err = io.Copy(io.Discard, resp.Body); err != nil {
						b.Error(err)
					}
					_ = resp.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
