package httpapi

import (
	"net/http"
	"testing"

	"ferryman/internal/fault"
)

func TestHostMustBeLoopback(t *testing.T) {
	h := open(t, func(o *Options) { o.Hosts = []string{"Ferry.example"} })
	for _, host := range []string{
		"localhost", "LOCALHOST:8080", "localhost.", "app.localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]:8080", "[::1]",
		"[::ffff:127.0.0.1]:8080", "ferry.example:8080", "FERRY.EXAMPLE",
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
			h.wantProblem(h.do("GET", path, "", "Host", host), 403, "host_not_allowed")
		}
	}
	behindKeys := open(t, func(o *Options) { o.LoopbackOnly = false })
	if a := behindKeys.do("GET", "/api/users", "", "Host", "ferry.example.org"); a.StatusCode != http.StatusOK {
		t.Errorf("a server that is meant to be reached: %d", a.StatusCode)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	for _, loopbackOnly := range []bool{true, false} {
		h := open(t, func(o *Options) { o.LoopbackOnly = loopbackOnly })
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
		} {
			h.wantProblem(h.do("PATCH", "/api/syncast", "", headers...), 403, "cross_origin")
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

func TestCheckExposure(t *testing.T) {
	for _, c := range []struct {
		listen         string
		keys, insecure bool
		code           string // "" is fine
	}{
		{"127.0.0.1:8080", false, false, ""},
		{"127.1.2.3:0", false, false, ""},
		{"[::1]:8080", false, false, ""},
		{"[::ffff:127.0.0.1]:8080", false, false, ""},
		{"localhost:8080", false, false, ""},
		{"0.0.0.0:8080", false, false, "exposed_without_keys"},
		{"[::]:8080", false, false, "exposed_without_keys"},
		{":8080", false, false, "exposed_without_keys"},
		{"192.0.2.7:8080", false, false, "exposed_without_keys"},
		{"[2001:db8::1]:80", false, false, "exposed_without_keys"},
		{"no-such-host.invalid:8080", false, false, "exposed_without_keys"},
		{"0.0.0.0:8080", true, false, ""},
		{":8080", false, true, ""},
		{"127.0.0.1", false, false, "bad_listen_address"},
		{"", false, true, "bad_listen_address"},
		{"127.0.0.1:http", true, false, "bad_listen_address"},
		{"127.0.0.1:65536", true, false, "bad_listen_address"},
		{"::1:8080", false, false, "bad_listen_address"},
	} {
		err := CheckExposure(t.Context(), c.listen, c.keys, c.insecure)
		if c.code == "" {
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if fault.CodeOf(err) != c.code || fault.KindOf(err) != fault.Unconfigured || fault.HintOf(err) == "" {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
