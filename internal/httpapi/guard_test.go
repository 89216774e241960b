package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestHostMustBeLoopback(t *testing.T) {
	h := open(t, func(o *Options) { o.Hosts = []string{"ferry.example", "2001:db8::7"} })
	for _, host := range []string{
		"localhost", "LOCALHOST:8080", "localhost.", "app.localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]:8080", "[::1]",
		"[::ffff:127.0.0.1]:8080", "ferry.example:8080", "FERRY.EXAMPLE", "[2001:db8::7]:80",
	} {
		if a := h.do("GET", "/api/users", "", "Host", host); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", host, a.StatusCode)
		}
	}
	for _, host := range []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[2001:db8::1]:80", "notlocalhost",
		"xferry.example", "0.0.0.0:8080", "[::]:8080",
	} {
		for _, path := range []string{"/api/users", "/docs", "/nope"} {
			p := h.wantProblem(h.do("GET", path, "", "Host", host), 403, "host_not_allowed")
			if !strings.Contains(p.Hint, "FERRYMAN_HOSTS") {
				t.Errorf("hint %q", p.Hint)
			}
		}
	}
	anyHost := open(t, func(o *Options) { o.LoopbackOnly = false })
	if a := anyHost.do("GET", "/api/users", "", "Host", "ferry.example.org"); a.StatusCode != http.StatusOK {
		t.Errorf("a server that is meant to be reached: %d", a.StatusCode)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	for _, loopbackOnly := range []bool{true, false} {
		h := open(t, func(o *Options) { o.LoopbackOnly = loopbackOnly })
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
		} {
			p := h.wantProblem(h.do("PATCH", "/api/syncast", "", headers...), 403, "cross_origin")
			if !strings.Contains(p.Hint, "FERRYMAN_HOSTS") {
				t.Errorf("hint %q", p.Hint)
			}
			if a := h.do("GET", "/api/users", "", headers...); a.StatusCode != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%v: a read is %d, %q", headers, a.StatusCode, a.Header.Get("Access-Control-Allow-Origin"))
			}
		}
		for _, headers := range [][]string{nil, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", h.url}} {
			if a := h.do("PATCH", "/api/syncast", "", headers...); a.StatusCode != http.StatusOK {
				t.Errorf("%v: %d %s", headers, a.StatusCode, a.text)
			}
		}
	}
}

// TestPagesBehindAProxy makes the calls of a page whose proxy changes the host
// header, or passes it on.
func TestPagesBehindAProxy(t *testing.T) {
	h := open(t, func(o *Options) { o.Hosts = []string{"ferry.example", "2001:db8::7"} })
	for _, headers := range [][]string{
		{"Origin", "https://ferry.example"}, {"Origin", "http://ferry.example"}, {"Origin", "http://[2001:db8::7]"},
		{"Origin", "https://ferry.example", "Sec-Fetch-Site", "cross-site"},
		{"Origin", "http://ferry.example:8443", "Host", "ferry.example:8443"},
	} {
		if a := h.do("PATCH", "/api/syncast", "", headers...); a.StatusCode != http.StatusOK {
			t.Errorf("%v: %d %s", headers, a.StatusCode, a.text)
		}
	}
	for _, headers := range [][]string{
		{"Origin", "http://ferry.example:8443"}, // of another program, for all we know
		{"Origin", "https://app.ferry.example"}, {"Origin", "https://ferry.example.evil.example"}, {"Origin", "ftp://ferry.example"},
		{"Sec-Fetch-Site", "cross-site", "Host", "ferry.example"},
	} {
		h.wantProblem(h.do("PATCH", "/api/syncast", "", headers...), 403, "cross_origin")
	}
}
