package httpapi

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/push"
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
		Sync: h, Syncs: allSyncs{h}, Rows: h, Users: usersTable(), Warehouses: warehousesTable(), LoopbackOnly: true,
		Keys: h, Apps: h, Ledger: ledger.New(nil), Messages: push.New(nil, nil), Outbox: outbox.New(nil, outbox.Options{}),
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

// BenchmarkReports measures what the server costs a report beside the store: each
// call over one kept-alive connection, and what the ledger takes of that.
func BenchmarkReports(b *testing.B) {
	clock := &clock{}
	clock.set(epoch)
	url := "sqlite://" + b.TempDir() + "/ferryman.db"
	h := moor(b, url, dbtest.Open(b, url, db.Options{Synchronous: "NORMAL"}), clock, func(o *Options) { o.Log = slog.New(slog.DiscardHandler) })
	h.newCron("nightly")
	id := h.started("nightly")
	kept := &http.Client{}
	call := func(method, path, body string) {
		req, err := http.NewRequestWithContext(b.Context(), method, h.house.url+path, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("X-API-KEY", h.key)
		resp, err := kept.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status, err)
		}
		resp.Body.Close()
	}
	defer kept.CloseIdleConnections()
	b.Run("can-start", func(b *testing.B) {
		for b.Loop() {
			call("GET", "/api/nightly/can-start", "")
		}
	})
	b.Run("can-start/ledger", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.ledger.Readiness(b.Context(), h.app.ID, ledger.Ref{Slug: "nightly"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("message", func(b *testing.B) {
		for b.Loop() {
			call("POST", fmt.Sprintf("/api/%d/message", id), `{"message":"1000 rows read","type":"info"}`)
		}
	})
	b.Run("message/ledger", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.ledger.Say(b.Context(), h.app.ID, id, []ledger.Message{{Type: ledger.Info, Text: "1000 rows read"}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHandler is a report without the network and the store: what the
// package itself costs.
func BenchmarkHandler(b *testing.B) {
	h := build(b, func(o *Options) { o.Log = slog.New(slog.DiscardHandler); o.KeyRate = 1_000_000_000 })
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"refused": {"/api/0/end", "", 404},
		"parsed":  {"/api/1/end", `{"success":true,"type":"fatal","message":"4711 rows imported","exit_code":0,"duration_ms":61250}`, 422},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), "POST", "http://localhost"+c.path, strings.NewReader(c.body))
				r.Header["X-Api-Key"] = []string{"shop ping"}
				w := &recorder{header: http.Header{}}
				if h.ServeHTTP(w, r); w.status != c.status {
					b.Fatal(w.status, string(w.text))
				}
			}
		})
	}
}
