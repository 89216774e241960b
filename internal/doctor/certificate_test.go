package doctor

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"ferryman/internal/certificate"
	"ferryman/internal/certificate/certtest"
)

func TestCertificate(t *testing.T) {
	a, dir := certtest.NewAuthority(t), t.TempDir()
	const day = 24 * time.Hour
	for left, want := range map[time.Duration][2]string{
		30 * day: {"ok", "for ferry.example, is valid until"}, 13 * day: {"warning", "it expires at"}, -time.Minute: {"problem", "clients refuse it → renew it"},
		1001 * time.Hour: {"problem", "not valid before"},
	} {
		cert, key := a.Issue(t, dir, time.Now().Add(left), "ferry.example")
		wants(t, Certificate(certificate.Files{Cert: cert, Key: key}, []string{"ferry.example"}).Look(t.Context()), want)
	}
	cert, key := a.Issue(t, dir, time.Now().Add(30*day), "ferry.example")
	files := certificate.Files{Cert: cert, Key: key}
	wants(t, Certificate(files, []string{"other.example"}).Look(t.Context()), [2]string{"ok", "valid"}, [2]string{"warning", "is not for other.example"})
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, Certificate(files, nil).Look(t.Context()), [2]string{"ok", "valid"}, [2]string{"warning", "read by everybody on this machine → chmod 640"})
	wants(t, Certificate(certificate.Files{Cert: dir, Key: key}, nil).Look(t.Context()), [2]string{"problem", "is no file → FERRYMAN_TLS_CERT_FILE"})
}

// A server that speaks TLS is known by its certificate, and not by its address.
func TestListenAsksByTLS(t *testing.T) {
	cert, key := certtest.NewAuthority(t).Issue(t, t.TempDir(), time.Now().Add(time.Hour), "ferry.example")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"ok","checks":["store"]}`))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "https://")
	wants(t, Listen(at, nil, certificate.Pinned(cert)).Look(t.Context()), [2]string{"ok", "is ready: store"})
	wants(t, Listen(at, nil, certificate.Pinned(key)).Look(t.Context()), [2]string{"problem", "does not answer as Ferryman does"})
	if remedy := Listen(at, nil, certificate.Pinned(key)).Look(t.Context())[0].Remedy; !strings.Contains(remedy, "FERRYMAN_TLS_CERT_FILE as it has it") {
		t.Errorf("of another certificate: %s", remedy)
	}
	wants(t, Listen(at, nil, nil).Look(t.Context()), [2]string{"problem", "speaks TLS, and these settings have no certificate"})
}
