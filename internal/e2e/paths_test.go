package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// tricks are ways to write a path that a server could take for another one, or for a
// file. Each has one %s, for a path that needs a key, without its first slash.
func tricks() []string {
	return []string{
		"/%s", "//%s", "///%s", "/./%s", "/.//%s", "/healthz/../%s", "/healthz/..//%s", "/healthz/%%2e%%2e/%s", "/healthz/%%2E%%2E/%s", "/healthz/.%%2e/%s", "/healthz/..%%2f%s",
		"/healthz%%2f..%%2f%s", "/docs/../%s", "/docs/%%2e%%2e/%s", "/docs/..%%2f%s", `/docs\..\%s`, "/docs/..%%5c%s", "/ui/static/../../%s", "/ui/static/%%2e%%2e/%%2e%%2e/%s",
		"/ui/static/..%%2f..%%2f%s", "/ui/sign-in/../../%s", "/ui/sign-in/%%2e%%2e/%s", "/ui/sign-in;/../%s", "/%s/.", "/%s/..;/", "/%s/", "/%s%%00", "/%s%%00.css", "/%s;x=1",
		"/%s%%20", "/%s%%2f", "/%s/../healthz/../%s", "/%%2f%s", "/%%2e/%s", `/\%s`, `\%s`, "%s", "*", "/?/%s", "/;/%s", "/healthz;/%s", "/healthz?x=/%s", "/healthz#/../%s",
		"http://localhost/%s", "http://localhost//%s", "http://evil.example/%s", "https://localhost:1/%s", "//localhost/%s", "/\x00%s", "/%%ff/%s", "/%%zz/%s", "/%%u002e%%u002e/%s",
		"/%%c0%%ae%%c0%%ae/%s", "/%%252e%%252e/%s", "/\xc0\xae\xc0\xae/%s", "/problems/../%s", "/problems/..%%2f%s", "/problems/%%2e%%2e%%2f%s", "/openapi.json/../%s", "/readyz/%s",
		"/" + strings.Repeat("a/../", 2000) + "%s", "/" + strings.Repeat("/", 5000) + "%s", "/" + strings.Repeat("%%2e%%2e/", 2000) + "%s",
		"/etc/passwd?%s", "/ui/static/../../../../../../etc/passwd?%s", "/ui/static/%%2e%%2e%%2f%%2e%%2e%%2f%%2e%%2e%%2fetc%%2fpasswd?%s", "/docs/%%2fetc%%2fpasswd?%s", "/docs/..%%2f..%%2fopenapi.yaml?%s",
	}
}

// TestNobodyGetsRoundTheKey asks, in every way to write it that there is, for what needs a
// key on a server that the network reaches, and for files that are not the server's to give.
func TestNobodyGetsRoundTheKey(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	key := ferryman(t, state, nil, "key", "create", "--app", "ferryman", "--scope", "admin")
	n := serve(t, state, []string{manual}, "--listen", "0.0.0.0:0")
	secret := map[string]string{ // what only those see who have a key
		"api/users": `"data"`, "metrics": "ferryman_build_info", "api/v1/crons": `"data"`, "api/synlast": `"data"`, "ui/settings": "FERRYMAN_STATE_DIR",
		"ui/": "Overview", "ui/jobs/": "riverui", "ui/record": "session", "messages/": "[]",
	}
	asked := 0
	for path, holds := range secret {
		if res, text := ask(t, "GET", n.url+"/"+path, "X-API-KEY", key); !strings.HasPrefix(path, "ui/") && (res.StatusCode != http.StatusOK || !strings.Contains(text, holds)) {
			t.Errorf("with a key %s is %s without %q: the test shows nothing", path, res.Status, holds)
		}
		for _, trick := range tricks() {
			target := fmt.Sprintf(strings.ReplaceAll(trick, "%s", "%[1]s"), path)
			if !strings.Contains(trick, "%s") {
				target = trick
			}
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "TRACE"} {
				status, text := rawly(t, n.url, method, target)
				asked++
				switch {
				case status >= 500 && status != http.StatusNotImplemented:
					t.Errorf("%s %.120q: %d %s", method, target, status, text)
				case strings.Contains(text, "root:x:0"):
					t.Errorf("%s %.120q gives a file of the system", method, target)
				case status == http.StatusOK && strings.Contains(text, holds) && !strings.Contains(text, `name="key"`):
					t.Errorf("%s %.120q: %d, with %q", method, target, status, holds)
				case status == http.StatusOK && method == "TRACE":
					t.Errorf("TRACE %.120q is answered", target)
				case status >= 300 && status < 400 && !strings.Contains(text, "\r\nLocation: /ui/"):
					t.Errorf("%s %.120q leads elsewhere: %s", method, target, text)
				}
			}
		}
	}
	if log := n.logged(); strings.Contains(log, "panic") || strings.Contains(log, "level=ERROR") {
		for line := range strings.Lines(log) {
			if strings.Contains(line, "panic") || strings.Contains(line, "level=ERROR") && !strings.Contains(line, "sync failed") {
				t.Errorf("logged %s", line)
			}
		}
	}
	t.Logf("%d requests", asked)
}

// rawly sends a request line as it is, and gives the status and the whole answer, head
// included; 0 is no answer.
func rawly(t *testing.T, server, method, target string) (status int, text string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testwait.Limit)); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: ferry.example\r\nConnection: close\r\n\r\n", method, target) // it may have closed
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil && len(all) == 0 && !errors.Is(err, syscall.ECONNRESET) { // it refuses without reading to the end
		t.Errorf("%s %.80q: %v", method, target, err)
	}
	_, _ = fmt.Sscanf(string(all), "HTTP/1.1 %d", &status)
	return status, string(all)
}
