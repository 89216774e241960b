package e2e

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"ferryman/internal/certificate/certtest"
	"ferryman/internal/testwait"
)

// TestBehindAProxy has a proxy that speaks TLS stand before a server on loopback, and
// looks who it is that the server knows.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	n := serve(t, state, []string{manual, "FERRYMAN_TRUSTED_PROXIES=127.0.0.1", "FERRYMAN_HOSTS=localhost"})
	target, err := url.Parse(n.url)
	if err != nil {
		t.Fatal(err)
	}
	a := certtest.NewAuthority(t)
	cert, key := a.Issue(t, t.TempDir(), time.Now().Add(time.Hour), "localhost", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	const visitor = "203.0.113.9"
	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Set("X-Forwarded-For", "198.51.100.1") // what the visitor made up
		r.SetXForwarded()
		r.Out.Header.Set("X-Forwarded-For", "198.51.100.1, "+visitor)
	}})
	proxy.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	proxy.StartTLS()
	defer proxy.Close()
	c := browser(t, a)

	if res, text := call(t, c, "GET", proxy.URL+"/api/synlast", nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %s %s", res.Status, text)
	}
	if status, text := do(t, "GET", n.url+"/api/synlast", ""); status != http.StatusOK {
		t.Errorf("on this machine: %d %s", status, text)
	}
	call(t, c, "POST", proxy.URL+"/api/nightly/start", nil) // refused, and kept

	admin := ferryman(t, state, nil, "key", "create", "--app", "ferryman", "--scope", "admin")
	sign := func(key string) *http.Response {
		_, page := call(t, c, "GET", proxy.URL+"/ui/sign-in", nil)
		token := formToken.FindStringSubmatch(page)
		if token == nil {
			t.Fatalf("no form in %s", page)
		}
		res, _ := call(t, c, "POST", proxy.URL+"/ui/sign-in", url.Values{"csrf": {token[1]}, "key": {key}})
		return res
	}
	sign("fm_wrong")
	told := regexp.MustCompile(`msg="somebody tried to sign in with a wrong key" remote=` + regexp.QuoteMeta(visitor) + `\n`)
	testwait.Until(t, "the log tells who tried a wrong key", func() bool { return told.MatchString(n.logged()) })
	res := sign(admin)
	if cookies := res.Cookies(); res.StatusCode != http.StatusSeeOther || len(cookies) == 0 {
		t.Fatalf("%s %v", res.Status, cookies)
	}
	for _, cookie := range res.Cookies() {
		if !cookie.Secure {
			t.Errorf("%s goes without TLS", cookie.Name)
		}
	}
	for _, page := range []string{"rejected", "settings", "record"} {
		testwait.Until(t, page+" names the visitor", func() bool { // refused calls are kept within a second or two
			_, text := call(t, c, "GET", proxy.URL+"/ui/"+page, nil)
			return strings.Contains(text, visitor) && !strings.Contains(text, "198.51.100.1")
		})
	}
}
