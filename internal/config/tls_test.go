package config_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ferryman/internal/config"
)

func TestCertificateHasItsKey(t *testing.T) {
	for _, alone := range []string{"FERRYMAN_TLS_CERT_FILE=c.pem", "FERRYMAN_TLS_KEY_FILE=k.pem"} {
		if _, _, err := config.Load(input(t, alone)); err == nil || !strings.Contains(err.Error(), "set both or neither") {
			t.Errorf("%s alone: %v", alone, err)
		}
	}
	in := withFlags(t, input(t, "FERRYMAN_TLS_CERT_FILE=c.pem"), "--tls-key", "/k.pem")
	c, _ := load(t, in)
	if c.Server.TLSCert != filepath.Join(in.Dir, "c.pem") || c.Server.TLSKey != "/k.pem" {
		t.Errorf("%+v", c.Server)
	}
	if c, _ := load(t, input(t)); c.Server.TLSCert != "" || c.Exec.Cert != "" || c.Exec.URL != "http://127.0.0.1:8080" {
		t.Errorf("without TLS: %+v %+v", c.Server, c.Exec)
	}
}

// Commands know a server of this machine by its file, whichever settings they load.
func TestCommandsKnowTheServer(t *testing.T) {
	const cert = "FERRYMAN_TLS_CERT_FILE=/etc/ferryman/c.pem"
	for url, want := range map[string][2]string{
		"": {"https://127.0.0.1:8080", "/etc/ferryman/c.pem"}, "https://localhost:8443": {"https://localhost:8443", "/etc/ferryman/c.pem"},
		"https://[::1]:1": {"https://[::1]:1", "/etc/ferryman/c.pem"}, "https://ferry.example": {"https://ferry.example", ""}, "http://127.0.0.1:1": {"http://127.0.0.1:1", ""},
	} {
		in := input(t, cert, "FERRYMAN_URL="+url)
		in.Sections = []config.Section{config.ExecSection}
		c, _ := load(t, in)
		if c.Exec.URL != want[0] || c.Exec.Cert != want[1] {
			t.Errorf("%s: %+v", url, c.Exec)
		}
	}
}

// What the example of the service's settings has of HTTPS, and what the operator's page
// shows of it, leads commands to the server that it makes.
func TestExampleOfTLS(t *testing.T) {
	for file, begin := range map[string]string{"deploy/ferryman.env": "# HTTPS, ", "docs/operations.md": "```ini\n"} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(text), begin)
		var lines []string
		for line := range strings.Lines(rest) {
			line = strings.TrimSpace(strings.TrimPrefix(line, "# "))
			if line == "" || line == "```" {
				break
			}
			if strings.HasPrefix(line, "FERRYMAN_") {
				lines = append(lines, line)
			}
		}
		c, _ := load(t, input(t, lines...))
		_, port, err := net.SplitHostPort(c.Server.Listen)
		if !found || err != nil || c.Server.TLSCert == "" || c.Server.TLSKey == "" || c.Exec.URL != "https://127.0.0.1:"+port || c.Exec.Cert != c.Server.TLSCert {
			t.Errorf("%s has %q: %+v %+v", file, lines, c.Server, c.Exec)
		}
		if strings.HasPrefix(c.Server.TLSCert, "/etc/ferryman/") {
			t.Errorf("%s: users of crons may not enter %s", file, filepath.Dir(c.Server.TLSCert))
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	c, _ := load(t, input(t, "FERRYMAN_TRUSTED_PROXIES=127.0.0.1, ::1,10.1.2.3/16,2001:db8::/32"))
	if got := fmt.Sprint(c.Server.TrustedProxies); got != "[127.0.0.1/32 ::1/128 10.1.0.0/16 2001:db8::/32]" {
		t.Errorf("got %s", got)
	}
	for wrong, want := range map[string]string{
		"proxy.example": "neither an address nor a network", "10.0.0.1:80": "neither", "10.0.0.0/33": "neither", "127.0.0.1,": "neither", "*": "neither",
		"fe80::1%eth0": "neither", "0.0.0.0/0": "every address", "::/0": "every address", "::ffff:10.0.0.0/104": "written as one of IPv6",
		strings.Repeat("10.0.0.1,", 100) + "10.0.0.1": "more than 100",
	} {
		if _, _, err := config.Load(input(t, "FERRYMAN_TRUSTED_PROXIES="+wrong)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
