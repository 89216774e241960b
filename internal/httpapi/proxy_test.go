package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"testing"

	"ferryman/internal/forwarded"
)

// behind puts a real proxy before the house, which it then calls through it. What a
// caller says of itself the proxy passes on, with the caller's address at its end: the
// callers below are proxies themselves.
func (h *house) behind() {
	h.t.Helper()
	target, err := url.Parse(h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Header["X-Forwarded-Host"] = []string{"ferry.example"}
		},
	})
	h.t.Cleanup(proxy.Close)
	h.url = proxy.URL
}

func trusting(o *Options) {
	o.Proxies = forwarded.Proxies{netip.MustParsePrefix("127.0.0.1/32")}
	o.Hosts = []string{"ferry.example"}
}

const by = "X-Forwarded-For"

// TestCallsOfAProxy has the one who calls be known wherever it matters, and not the proxy.
func TestCallsOfAProxy(t *testing.T) {
	h := open(t, trusting)
	direct := h.url
	h.behind()
	if a := h.do("GET", "/healthz", "", by, "203.0.113.9"); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if lines := h.logged("/healthz"); len(lines) != 1 || lines[0]["remote"] != "203.0.113.9" {
		t.Errorf("logged %v", lines)
	}
	// What is open on loopback is open to this machine, and not to whom the proxy lets through.
	h.wantProblem(h.do("GET", "/api/users", "", by, "203.0.113.9"), http.StatusUnauthorized, "unauthorized")
	if a := h.do("GET", "/api/users", "", by, "203.0.113.9", "X-API-KEY", "ferryman read"); a.StatusCode != http.StatusOK {
		t.Errorf("with a key: %d %s", a.StatusCode, a.text)
	}
	if a := h.do("GET", "/api/users", ""); a.StatusCode != http.StatusOK {
		t.Errorf("of this machine, by the proxy: %d %s", a.StatusCode, a.text)
	}
	// Wrong keys count for who presents them.
	for range wrongKeyBurst {
		h.do("POST", "/api/job/start", "", by, "203.0.113.9", "X-API-KEY", "wrong")
	}
	h.wantProblem(h.do("POST", "/api/job/start", "", by, "203.0.113.9", "X-API-KEY", "wrong"), http.StatusTooManyRequests, "too_many_wrong_keys")
	h.wantProblem(h.do("POST", "/api/job/start", "", by, "203.0.113.10", "X-API-KEY", "wrong"), http.StatusUnauthorized, "unauthorized")
	// Nobody escapes by what they make up: it stands before what the proxy adds.
	h.wantProblem(h.do("POST", "/api/job/start", "", by, "198.51.100.7, 203.0.113.9", "X-API-KEY", "wrong"), http.StatusTooManyRequests, "too_many_wrong_keys")

	// A page of the proxy's host may act, with any port; others may not.
	for origin, status := range map[string]int{"https://ferry.example": http.StatusOK, "https://evil.example": http.StatusForbidden} {
		if a := h.do("PATCH", "/api/syncast", "", "Origin", origin); a.StatusCode != status {
			t.Errorf("%s: %d %s", origin, a.StatusCode, a.text)
		}
	}
	// Without the proxy nothing changes, and there it is this machine's word that is taken.
	h.url = direct
	if a := h.do("GET", "/api/users", ""); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	h.wantProblem(h.do("GET", "/api/users", "", "X-Forwarded-Host", "evil.example"), http.StatusForbidden, "host_not_allowed")
}

// TestNobodysWordIsTaken has the same calls mean nothing where no proxy is trusted.
func TestNobodysWordIsTaken(t *testing.T) {
	h := open(t, func(o *Options) { o.Hosts = []string{"ferry.example"} })
	h.behind()
	if a := h.do("GET", "/api/users", "", by, "203.0.113.9", "X-Forwarded-Host", "evil.example"); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if lines := h.logged("/api/users"); len(lines) != 1 || lines[0]["remote"] == "203.0.113.9" {
		t.Errorf("logged %v", lines)
	}
}

// A server that is open to everybody by its operator's word stays so behind a proxy.
func TestOpenServerBehindAProxy(t *testing.T) {
	h := open(t, trusting, func(o *Options) { o.LoopbackOnly = false })
	h.behind()
	if a := h.do("GET", "/api/users", "", by, "203.0.113.9"); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
}

// TestRebindingPastATrustedProxy has a page call that points its own name at loopback, where
// the browser's machine is a trusted proxy: it may send any header but Host.
func TestRebindingPastATrustedProxy(t *testing.T) {
	h := open(t, trusting)
	for _, tt := range []struct {
		host, told string
		status     int
	}{
		{"evil.example", "", http.StatusForbidden},
		{"evil.example", "localhost", http.StatusForbidden},
		{"evil.example", "127.0.0.1", http.StatusForbidden},
		{"evil.example", "ferry.example", http.StatusForbidden},
		{"localhost", "evil.example", http.StatusForbidden},
		{"localhost", "", http.StatusOK},
		{"127.0.0.1:8080", "ferry.example", http.StatusOK},
		{"ferry.example", "localhost", http.StatusOK}, // of a proxy; what it tells of is ignored
		{"ferry.example", "ferry.example", http.StatusOK},
	} {
		headers := []string{"Host", tt.host, by, "127.0.0.1"}
		if tt.told != "" {
			headers = append(headers, "X-Forwarded-Host", tt.told)
		}
		if a := h.do("GET", "/api/users", "", headers...); a.StatusCode != tt.status {
			t.Errorf("%+v: %d %s", tt, a.StatusCode, a.text)
		}
	}
}

// TestWhomATrustedProxyHides has nobody do without a key because of what a proxy leaves out
// or a caller makes up.
func TestWhomATrustedProxyHides(t *testing.T) {
	h := open(t, trusting, func(o *Options) { o.Proxies = append(o.Proxies, netip.MustParsePrefix("10.1.0.0/16")) })
	for _, headers := range [][]string{
		{by, "127.0.0.1, 10.1.0.7"}, {by, "unknown"}, {"X-Real-Ip", "203.0.113.9"}, {"X-Forwarded-Proto", "https"}, {"Forwarded", "for=203.0.113.9"},
	} {
		h.wantProblem(h.do("GET", "/api/users", "", headers...), http.StatusUnauthorized, "unauthorized")
	}
}
