package httpapi

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// pagesOf is a dashboard of one page, which fails as its query says.
func pagesOf(t *testing.T) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ui/things/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RawQuery {
		case "early":
			panic("boom")
		case "late":
			fmt.Fprint(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic("boom")
		case "stream":
			for i := range 2 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "thing "+r.PathValue("id"))
		}
	})
	return mux
}

func TestDashboardAnswersByItself(t *testing.T) {
	h := open(t, func(o *Options) { o.Dashboard, o.KeysOnly = pagesOf(t), true })
	a := h.do("GET", "/ui/things/7", "")
	if a.StatusCode != http.StatusTeapot || a.text != "thing 7" || a.Header.Get("X-Request-Id") == "" {
		t.Errorf("%d %q %v", a.StatusCode, a.text, a.Header)
	}
	lines := h.logged("/ui/things/{id}")
	if len(lines) != 1 || lines[0]["status"] != 418.0 || lines[0]["bytes"] != 7.0 {
		t.Errorf("logged %v", lines)
	}
	metrics := h.do("GET", "/metrics", "", "X-API-KEY", "ferryman read").text
	if want := `ferryman_http_requests_total{method="GET",route="/ui/things/{id}",status="418"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("no %s in\n%s", want, metrics)
	}
	// The server's guards hold for pages, too.
	h.wantProblem(h.do("POST", "/ui/things/7", "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "cross_origin")
	h.wantProblem(h.do("GET", "/ui/../things", ""), http.StatusNotFound, "unknown_path")
}

func TestDashboardOfAnotherHost(t *testing.T) {
	h := open(t, func(o *Options) { o.Dashboard = pagesOf(t) })
	h.wantProblem(h.do("GET", "/ui/things/7", "", "Host", "evil.example"), http.StatusForbidden, "host_not_allowed")
}

func TestDashboardThatBreaks(t *testing.T) {
	h := open(t, func(o *Options) { o.Dashboard = pagesOf(t) })
	h.wantProblem(h.do("GET", "/ui/things/7?early", ""), http.StatusInternalServerError, "internal")
	if a, err := h.try("GET", "/ui/things/7?late", ""); err == nil {
		t.Errorf("half an answer passes for the whole: %q", a.text)
	}
}

// TestSlowPageOutlivesTimeouts has a page take longer than the server gives readers.
func TestSlowPageOutlivesTimeouts(t *testing.T) {
	const short = 300 * time.Millisecond // for the handshake, too
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(3 * short)
		fmt.Fprint(w, "at last")
	})
	for _, proto := range []int{1, 2} {
		h := build(t, func(o *Options) { o.Dashboard = page })
		c, o := http.DefaultClient, ServeOptions{WriteTimeout: short, ReadHeaderTimeout: time.Second}
		if proto == 1 {
			h.serve(o)
		} else {
			transport := &http.Transport{TLSClientConfig: h.encrypted(o), ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			c = &http.Client{Transport: transport}
		}
		res, err := get(t, c, "GET", h.url+"/ui/")
		if err != nil || res.StatusCode != http.StatusOK || res.ProtoMajor != proto {
			t.Errorf("HTTP/%d: %v %v", proto, res, err)
		}
	}
}

func TestDashboardStreams(t *testing.T) {
	h := open(t, func(o *Options) { o.Dashboard = pagesOf(t) })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/ui/things/7?stream", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for _, want := range []string{"data: 0", "", "data: 1"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, and not %q", lines.Text(), want)
		}
	}
}
