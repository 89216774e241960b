package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ferryman/internal/fault"
)

func TestReadiness(t *testing.T) {
	well := Check{Name: "jobs", Run: func(context.Context) error { return nil }}
	for name, c := range map[string]struct {
		check  Check
		detail string
	}{
		"classified": {Check{Name: "store", Run: func(context.Context) error {
			return &fault.Error{Kind: fault.Unavailable, Detail: "the database does not answer", Err: errors.New("inner secret")}
		}}, "store: the database does not answer"},
		"unclassified": {Check{Name: "store", Run: func(context.Context) error { return errors.New("inner secret") }}, "store: an unexpected error"},
		"panic":        {Check{Name: "store", Run: func(context.Context) error { panic("inner secret") }}, "store: an unexpected error"},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, func(o *Options) { o.Checks = []Check{well, c.check} })
			a := h.do("GET", "/readyz", "")
			p := h.wantProblem(a, 503, "not_ready")
			if !strings.HasPrefix(p.Detail, c.detail) || strings.Contains(a.text, "jobs") || strings.Contains(a.text, "secret") {
				t.Errorf("%s", a.text)
			}
			if a := h.do("GET", "/healthz", ""); a.text != `{"status":"ok"}` {
				t.Errorf("healthz: %s", a.text)
			}
		})
	}
	h := open(t, func(o *Options) { o.Checks = []Check{well} })
	if a := h.do("GET", "/readyz", ""); a.StatusCode != http.StatusOK || a.text != `{"status":"ok","checks":["jobs"]}` {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
}

// Who probes every few seconds fills no log: each reason is told once, and its end.
func TestNotReadyIsLoggedOnce(t *testing.T) {
	drained := &fault.Error{Kind: fault.Unavailable, Detail: "it is drained"}
	away := &fault.Error{Kind: fault.Unavailable, Detail: "the store is away"}
	answers := []error{drained, drained, away, away, nil, nil, drained}
	next := make(chan error, 1)
	h := open(t, func(o *Options) {
		o.Checks = []Check{{Name: "node", Run: func(context.Context) error { return <-next }}}
	})
	for _, err := range answers {
		next <- err
		h.do("GET", "/readyz", "")
	}
	var levels []string
	for _, line := range h.logged("/readyz") {
		level, _ := line["level"].(string)
		levels = append(levels, level)
	}
	if want := []string{"WARN", "DEBUG", "WARN", "DEBUG", "DEBUG", "DEBUG", "WARN"}; !slices.Equal(levels, want) {
		t.Errorf("levels %v, want %v", levels, want)
	}
	if n := strings.Count(h.log.String(), `"level":"INFO","msg":"the server is ready again"`); n != 1 {
		t.Errorf("%d times ready again", n)
	}
}

func TestSlowCheckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := Check{Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}.run(t.Context())
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took != checkTimeout {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestMetrics(t *testing.T) {
	h := open(t)
	h.do("GET", "/api/users/711", "")
	h.do("GET", "/api/users/712", "")
	h.do("GET", "/api/users/711", "")
	h.do("BREW", "/a-path-of-the-client", "")
	a := h.do("GET", "/metrics", "")
	for _, want := range []string{
		`ferryman_http_requests_total{method="GET",route="/api/users/{id}",status="200"} 2`,
		`ferryman_http_requests_total{method="GET",route="/api/users/{id}",status="404"} 1`,
		`ferryman_http_requests_total{method="other",route="unmatched",status="404"} 1`,
		`ferryman_http_request_duration_seconds_count{method="GET",route="/api/users/{id}",status="200"} 2`,
		"ferryman_http_requests_in_flight 1",
		`ferryman_build_info{goversion="go1.`, `version="1.2.3"} 1`,
	} {
		if !strings.Contains(a.text, want) {
			t.Errorf("metrics lack %s\n%s", want, a.text)
		}
	}
	if strings.Contains(a.text, "a-path-of-the-client") || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s", a.Header.Get("Content-Type"))
	}
	open := h.do("GET", "/metrics", "", "Accept", "application/openmetrics-text; version=1.0.0")
	if !strings.HasSuffix(open.text, "# EOF\n") || !strings.HasPrefix(open.Header.Get("Content-Type"), "application/openmetrics-text") {
		t.Errorf("%s ends with %.20q", open.Header.Get("Content-Type"), open.text[max(0, len(open.text)-20):])
	}
}

func TestNewRefuses(t *testing.T) {
	h := build(t)
	if _, err := New(h.o); err == nil {
		t.Error("metrics are registered twice")
	}
	if _, err := New(Options{}); err == nil {
		t.Error("options are missing")
	}
	h.o.Registry, h.o.Hosts = prometheus.NewRegistry(), []string{"a/b"}
	if _, err := New(h.o); err == nil {
		t.Error("a path is no host")
	}
}
