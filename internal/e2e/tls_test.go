package e2e

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"ferryman/internal/certificate/certtest"
	"ferryman/internal/testwait"
)

// browser is a client that trusts an authority and keeps cookies. It follows nothing.
func browser(t *testing.T, a *certtest.Authority) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool(t), MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Jar: jar, Transport: transport, Timeout: testwait.Limit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call makes a call of a client, and gives the answer and its text.
func call(t *testing.T, c *http.Client, method, address string, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

var formToken = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// TestTLS has everybody call a server by HTTPS: a browser, commands on its machine, and
// commands elsewhere that trust an authority of their own; and renews its certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	a, dir, state := certtest.NewAuthority(t), t.TempDir(), t.TempDir()
	cert, key := a.Issue(t, dir, time.Now().Add(time.Hour), "localhost", "127.0.0.1")
	settings := []string{manual, "FERRYMAN_TLS_CERT_FILE=" + cert, "FERRYMAN_TLS_KEY_FILE=" + key}
	n := serve(t, state, settings)
	if !strings.HasPrefix(n.url, "https://127.0.0.1:") {
		t.Fatalf("it serves at %s", n.url)
	}
	c := browser(t, a)
	if res, _ := call(t, c, "GET", n.url+"/readyz", nil); res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("%s %s", res.Status, res.Proto)
	}
	expiry := `ferryman_tls_certificate_expiry_timestamp_seconds `
	_, metrics := call(t, c, "GET", n.url+"/metrics", nil)
	if !strings.Contains(metrics, expiry) {
		t.Error("no metric tells when the certificate expires")
	}

	// Commands on the same machine know the server by its file. Elsewhere they trust the
	// authorities of the system, or those of a file.
	ferryman(t, state, nil, "app", "add", "shop")
	ferryman(t, state, nil, "cron", "add", "--app", "shop", "nightly")
	ping := ferryman(t, state, nil, "key", "create", "--app", "shop")
	address := "FERRYMAN_URL=" + n.url
	here, elsewhere := []string{address, "FERRYMAN_API_KEY=" + ping, settings[1]}, []string{address, "FERRYMAN_API_KEY=" + ping, "SSL_CERT_FILE=" + a.File}
	for _, env := range [][]string{here, elsewhere} {
		ferryman(t, t.TempDir(), env, "health")
		ferryman(t, t.TempDir(), append(env[2:], address), "push", "list")
		if out := ferryman(t, t.TempDir(), env, "cron", "exec", "--if-unreachable", "fail", "nightly", "--", "echo", "done"); out != "done" {
			t.Errorf("%q", out)
		}
	}
	stranger := command(t, t.TempDir(), []string{address}, "health")
	if out, err := stranger.CombinedOutput(); err == nil || !strings.Contains(string(out), "certificate") {
		t.Errorf("who trusts nobody hears %v %s", err, out)
	}

	// The session's cookie is for TLS alone.
	admin := ferryman(t, state, nil, "key", "create", "--app", "ferryman", "--scope", "admin")
	_, page := call(t, c, "GET", n.url+"/ui/sign-in", nil)
	token := formToken.FindStringSubmatch(page)
	if token == nil {
		t.Fatalf("no form in %s", page)
	}
	res, text := call(t, c, "POST", n.url+"/ui/sign-in", url.Values{"csrf": {token[1]}, "key": {admin}})
	if cookies := res.Cookies(); res.StatusCode != http.StatusSeeOther || len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly {
		t.Errorf("%s %v %s", res.Status, cookies, text)
	}
	if _, text := call(t, c, "GET", n.url+"/ui/", nil); !strings.Contains(text, "Overview") {
		t.Error(text)
	}
	at, _ := url.Parse(n.url + "/ui/")
	doctor, err := command(t, state, append(settings, "FERRYMAN_LISTEN="+at.Host), "doctor", "--offline").Output()
	if text := string(doctor); err != nil || !strings.Contains(text, "is ready: store") || !strings.Contains(text, "warning  certificate: "+cert+": it expires at") {
		t.Errorf("%v\n%s", err, text)
	}

	// A new certificate is taken without a restart; what cannot be used is not.
	shows := func() string {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: a.Pool(t), MinVersion: tls.VersionTLS12, ServerName: "localhost"}}).DialContext(t.Context(), "tcp", at.Host)
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := shows()
	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the log tells of it", func() bool { return strings.Contains(n.logged(), "the new tls certificate cannot be used") })
	if now := shows(); now != first {
		t.Errorf("it shows %s, and not %s", now, first)
	}
	a.Issue(t, dir, time.Now().Add(2*time.Hour), "localhost", "127.0.0.1")
	testwait.Until(t, "the new one is shown", func() bool { return shows() != first })
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestTLSFilesThatCannotBeUsed keep a server from starting.
func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	cert, _ := certtest.NewAuthority(t).Issue(t, t.TempDir(), time.Now().Add(time.Hour), "localhost")
	out, err := command(t, t.TempDir(), []string{manual, "FERRYMAN_TLS_CERT_FILE=" + cert, "FERRYMAN_TLS_KEY_FILE=" + cert}, "serve", "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "FERRYMAN_TLS_KEY_FILE") && !strings.Contains(string(out), "cannot use the certificate") {
		t.Errorf("%v %s", err, out)
	}
}
