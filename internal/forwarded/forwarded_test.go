package forwarded

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var trusted = Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8:1::/48")}

func request(from string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://inside:8080/", http.NoBody)
	r.RemoteAddr = from
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

const by = "X-Forwarded-For"

func TestWhoCalls(t *testing.T) {
	for name, tt := range map[string]struct {
		from    string
		headers []string
		want    string
		trusted bool
	}{
		"nobody between":            {"192.0.2.7:80", nil, "192.0.2.7", false},
		"a stranger's word":         {"192.0.2.7:80", []string{by, "203.0.113.9"}, "192.0.2.7", false},
		"a stranger on our network": {"10.2.0.1:80", []string{by, "203.0.113.9"}, "10.2.0.1", false},
		"a proxy":                   {"10.1.0.1:80", []string{by, "203.0.113.9"}, "203.0.113.9", true},
		"mapped":                    {"[::ffff:10.1.0.1]:80", []string{by, "::ffff:203.0.113.9"}, "203.0.113.9", true},
		"IPv6":                      {"[2001:db8:1::5]:80", []string{by, "2001:db8:2::9"}, "2001:db8:2::9", true},
		"a port":                    {"10.1.0.1:80", []string{by, "203.0.113.9:4711"}, "203.0.113.9", true},
		"brackets":                  {"10.1.0.1:80", []string{by, "[2001:db8:2::9]"}, "2001:db8:2::9", true},
		"brackets and port":         {"10.1.0.1:80", []string{by, "[2001:db8:2::9]:1"}, "2001:db8:2::9", true},
		"made up before":            {"10.1.0.1:80", []string{by, "1.2.3.4, 203.0.113.9"}, "203.0.113.9", true},
		"two proxies":               {"10.1.0.1:80", []string{by, "1.2.3.4,203.0.113.9 ,\t10.1.0.2"}, "203.0.113.9", true},
		"two lines":                 {"10.1.0.1:80", []string{by, "203.0.113.9, 203.0.113.10", by, "10.1.0.2"}, "203.0.113.10", true},
		"our own machines":          {"10.1.0.1:80", []string{by, "10.1.0.3, 10.1.0.2"}, "10.1.0.3", true},
		"no header":                 {"10.1.0.1:80", nil, "10.1.0.1", true},
		"nonsense":                  {"10.1.0.1:80", []string{by, "203.0.113.9, unknown"}, "10.1.0.1", true},
		"nonsense behind a proxy":   {"10.1.0.1:80", []string{by, "203.0.113.9, <script>, 10.1.0.2"}, "10.1.0.2", true},
		"nothing between commas":    {"10.1.0.1:80", []string{by, "203.0.113.9,"}, "10.1.0.1", true},
		"half a bracket":            {"10.1.0.1:80", []string{by, "[2001:db8:2::9"}, "10.1.0.1", true},
		"IPv4 in brackets":          {"10.1.0.1:80", []string{by, "[203.0.113.9]"}, "10.1.0.1", true},
		"a zone":                    {"10.1.0.1:80", []string{by, "fe80::1%<script>"}, "10.1.0.1", true},
		"RFC 7239":                  {"10.1.0.1:80", []string{"Forwarded", "for=203.0.113.9"}, "10.1.0.1", true},
		"another header":            {"10.1.0.1:80", []string{"X-Real-Ip", "203.0.113.9"}, "10.1.0.1", true},
		"a socket":                  {"@", []string{by, "203.0.113.9"}, "@", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := Of(trusted.Take(request(tt.from, tt.headers...)))
			if c.Host() != tt.want || c.Trusted != tt.trusted || !strings.Contains(c.String(), tt.want) && !strings.Contains(c.String(), "::ffff:"+tt.want) {
				t.Errorf("%+v is at %s", c, c.Host())
			}
		})
	}
	if c := Of(Proxies(nil).Take(request("127.0.0.1:80", by, "203.0.113.9"))); c.Host() != "127.0.0.1" || c.Trusted {
		t.Errorf("nobody is trusted, and %+v calls", c)
	}
	if !Of(trusted.Take(request("127.0.0.1:1", by, "203.0.113.9"))).Elsewhere() || Of(trusted.Take(request("127.0.0.1:1", by, "127.0.0.2"))).Elsewhere() || Of(request("203.0.113.9:1")).Elsewhere() {
		t.Error("who is elsewhere?")
	}
}

// TestElsewhere has all be elsewhere who may be.
func TestElsewhere(t *testing.T) {
	for name, tt := range map[string]struct {
		from    string
		headers []string
		want    bool
	}{
		"a direct call":                  {"127.0.0.1:1", nil, false},
		"of this machine":                {"127.0.0.1:1", []string{by, "127.0.0.1"}, false},
		"with all headers":               {"127.0.0.1:1", []string{by, "::1", "X-Real-Ip", "::1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "ferry.example", "Via", "2 x"}, false},
		"by two proxies":                 {"127.0.0.1:1", []string{by, "::1, 127.0.0.3:80", by, "[::ffff:127.0.0.2]"}, false},
		"another machine":                {"127.0.0.1:1", []string{by, "203.0.113.9"}, true},
		"made up before a trusted hop":   {"127.0.0.1:1", []string{by, "127.0.0.1, 10.1.0.7"}, true},
		"a trusted hop":                  {"127.0.0.1:1", []string{by, "10.1.0.7"}, true},
		"behind one that is not trusted": {"127.0.0.1:1", []string{by, "203.0.113.9, ::1"}, true},
		"on another line":                {"127.0.0.1:1", []string{by, "10.1.0.7", by, "127.0.0.1"}, true},
		"unknown":                        {"127.0.0.1:1", []string{by, "unknown"}, true},
		"nothing":                        {"127.0.0.1:1", []string{by, ""}, true},
		"nothing at the end":             {"127.0.0.1:1", []string{by, "127.0.0.1,"}, true},
		"unknown before":                 {"127.0.0.1:1", []string{by, "unknown, 127.0.0.1"}, true},
		"no address":                     {"127.0.0.1:1", []string{by, "localhost"}, true},
		"X-Real-IP alone":                {"127.0.0.1:1", []string{"X-Real-Ip", "203.0.113.9"}, true},
		"X-Real-IP of loopback alone":    {"127.0.0.1:1", []string{"X-Real-Ip", "127.0.0.1"}, true},
		"X-Real-IP is another":           {"127.0.0.1:1", []string{by, "127.0.0.1", "X-Real-Ip", "203.0.113.9"}, true},
		"X-Forwarded-Proto alone":        {"127.0.0.1:1", []string{"X-Forwarded-Proto", "https"}, true},
		"X-Forwarded-Host alone":         {"127.0.0.1:1", []string{"X-Forwarded-Host", "ferry.example"}, true},
		"Forwarded alone":                {"127.0.0.1:1", []string{"Forwarded", "for=127.0.0.1"}, true},
		"Forwarded is another":           {"127.0.0.1:1", []string{by, "127.0.0.1", "Forwarded", "for=203.0.113.9"}, true},
		"Via alone":                      {"127.0.0.1:1", []string{"Via", "1.1 proxy"}, true},
		"a proxy on another machine":     {"10.1.0.1:1", []string{by, "127.0.0.1"}, true},
		"whom nobody trusts":             {"203.0.113.9:1", []string{by, "127.0.0.1"}, false}, // it came by no proxy
	} {
		if got := Of(trusted.Take(request(tt.from, tt.headers...))).Elsewhere(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestHowTheyCall(t *testing.T) {
	for _, tt := range []struct {
		from, proto, host string
		direct            bool // by TLS to us
		encrypted         bool
		want              string
	}{
		{"10.1.0.1:80", "https", "ferry.example", false, true, "ferry.example"},
		{"10.1.0.1:80", "HTTPS", "ferry.example:8443", false, true, "ferry.example:8443"},
		{"10.1.0.1:80", "http", "[2001:db8::1]:80", true, false, "[2001:db8::1]:80"},
		{"10.1.0.1:80", "https, http", "evil.example, ferry.example", false, false, "ferry.example"},
		{"10.1.0.1:80", "ftp", "ferry.example/path", true, true, "inside:8080"},
		{"10.1.0.1:80", "", "", true, true, "inside:8080"},
		{"10.1.0.1:80", "https,", "ferry.example,", false, false, "inside:8080"},
		{"10.1.0.1:80", "", "localhost", false, false, "inside:8080"},
		{"10.1.0.1:80", "", "Ferry.Localhost.:80", false, false, "inside:8080"},
		{"10.1.0.1:80", "", "[::1]:8080", false, false, "inside:8080"},
		{"10.1.0.1:80", "", "127.0.0.2", false, false, "inside:8080"},
		{"10.1.0.1:80", "", "[::ffff:127.0.0.2]:1", false, false, "inside:8080"},
		{"10.1.0.1:80", "", "a@b", false, false, "inside:8080"},
		{"10.1.0.1:80", "", strings.Repeat("a", 300), false, false, "inside:8080"},
		{"192.0.2.7:80", "https", "ferry.example", false, false, "inside:8080"},
	} {
		r := request(tt.from, "X-Forwarded-Proto", tt.proto, "X-Forwarded-Host", tt.host)
		if r.TLS = nil; tt.direct {
			r.TLS = &tls.ConnectionState{}
		}
		taken := trusted.Take(r)
		if c := Of(taken); c.Encrypted != tt.encrypted || taken.Host != tt.want || r.Host != "inside:8080" {
			t.Errorf("%+v: %+v to %s", tt, c, taken.Host)
		}
		want := []string{"inside:8080"} // which arrived, and is never forgotten
		if tt.want != want[0] {
			want = append(want, tt.want)
		}
		if got := Hosts(taken); !slices.Equal(got, want) {
			t.Errorf("%+v: called as %q", tt, got)
		}
	}
	if got := Hosts(request("127.0.0.1:80", "X-Forwarded-Host", "ferry.example")); !slices.Equal(got, []string{"inside:8080"}) {
		t.Errorf("nobody is trusted, and it is called as %q", got)
	}
}

// FuzzTake gives a proxy's headers any content: what comes out can be shown anywhere, and
// is an address that stands in the header or the peer's.
func FuzzTake(f *testing.F) {
	f.Add("203.0.113.9, 10.1.0.2", "https", "ferry.example")
	f.Add("[::1]:80,unknown,,", "http,https", "a:b:c")
	f.Add("fe80::1%25eth0\r\nX: y", "\x00", "[")
	f.Fuzz(func(t *testing.T, forwarded, proto, host string) {
		r := request("10.1.0.1:80", by, forwarded, "X-Forwarded-Proto", proto, "X-Forwarded-Host", host)
		taken := trusted.Take(r)
		c := Of(taken)
		if !c.Trusted || !c.Address.IsValid() || c.Address.Zone() != "" {
			t.Errorf("%+v", c)
		}
		if c.Host() != "10.1.0.1" && !strings.Contains(forwarded, c.String()) {
			t.Errorf("%q comes from nowhere", c.String())
		}
		here := request("127.0.0.1:80", by, forwarded)
		if c := Of(trusted.Take(here)); !c.Elsewhere() && !c.Address.IsLoopback() {
			t.Errorf("%+v is of this machine", c)
		}
		if strings.Trim(c.String(), "0123456789abcdefABCDEF.:[]") != "" {
			t.Errorf("%q cannot be shown", c.String())
		}
		if taken.Host != r.Host && !mayBeHost(taken.Host) {
			t.Errorf("the host is %q", taken.Host)
		}
		if stranger := Of(trusted.Take(request("192.0.2.7:80", by, forwarded))); stranger.Host() != "192.0.2.7" || stranger.Trusted {
			t.Errorf("a stranger is %+v", stranger)
		}
	})
}
