package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkAnswer measures what the server itself costs a call: over one
// kept-alive connection, with rows in memory and no access log.
func BenchmarkAnswer(b *testing.B) {
	h := &house{rows: map[string][][]any{}}
	for i := range 1000 {
		h.rows["warehouses"] = append(h.rows["warehouses"], []any{
			int64(i), "Lantern Quay", "3 Lamplighter Steps", nil, "岸壁", "Port Ellery", nil, "PE1 4QY", "Ireland", nil, nil, epoch, epoch,
		})
	}
	s, err := New(Options{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		Sync: h, Rows: h, Users: usersTable(), Warehouses: warehousesTable(), LoopbackOnly: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	for _, path := range []string{"/healthz", "/api/warehouses/7", "/api/warehouses?limit=1000"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := srv.Client().Get(srv.URL + path)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					b.Fatal(resp.Status, err)
				}
				resp.Body.Close()
			}
		})
	}
}
