package pulpo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/testaddr"
)

// background runs s.Run until the function that it returns is called.
func background(t *testing.T, s *Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// hijack answers on the bare connection and closes it.
func hijack(answer func(net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		answer(conn)
		_ = conn.Close()
	}
}

// hang answers nothing until the client has gone, which a server notices only
// once it has read the request's body.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

const nextSync = "nothing is lost; the next sync tries again"

// troubles are what an API may answer with.
var troubles = []struct {
	name   string
	answer http.HandlerFunc
	kind   fault.Kind
	code   string
	hint   string // in the advice
}{
	{"slow", hang, fault.Timeout, "timeout", "API_TIMEOUT_SECONDS"},
	{"reset", hijack(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), fault.Unavailable, "reset", nextSync},
	{"closed", hijack(func(net.Conn) {}), fault.Unavailable, "reset", nextSync},
	{"truncated", hijack(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"id\":")
	}), fault.Unavailable, "truncated", nextSync},
	{"403", text(403, "no"), fault.Forbidden, "forbidden", "rights"},
	{"404", text(404, "no"), fault.NotFound, "not_found", "API_BASE_URL"},
	{"429", text(429, "no"), fault.RateLimited, "rate_limited", nextSync},
	{"500", text(500, "no"), fault.Unavailable, "upstream_error", nextSync},
	{"502", text(502, "no"), fault.Unavailable, "upstream_error", nextSync},
	{"501", text(501, "no"), fault.Invalid, "upstream_error", nextSync},
	{"504", text(504, "no"), fault.Timeout, "timeout", nextSync},
	{"cut JSON", text(200, `{"id":4071,"username":"m.o`), fault.Invalid, "invalid_json", nextSync},
	{"bad JSON", text(200, `{'id':4071}`), fault.Invalid, "invalid_json", nextSync},
	{"more than JSON", text(200, `{"id":4071,"warehouses":[],"username":"","email":"","employee_id":"","first_name":"","last_name":""} {}`), fault.Invalid, "invalid_json", nextSync},
	{"no JSON", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<title>Please log in</title>")
	}, fault.Invalid, "not_json", "API_BASE_URL"},
	{"nothing", text(204, ""), fault.Invalid, "invalid_json", nextSync},
	{"wrong type", text(200, `{"id":"4071","warehouses":[],"username":"","email":"","employee_id":"","first_name":"","last_name":""}`), fault.Invalid, "wrong_type", "correct it"},
	{"missing field", text(200, `{}`), fault.Invalid, "missing_field", "correct it"},
	{"20 MB", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"profiles":["`)
		for chunk := bytes.Repeat([]byte("x"), 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}, fault.TooLarge, "answer_too_large", "API_MAX_ANSWER_BYTES"},
	{"redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/login?next=/", http.StatusFound)
	}, fault.Unconfigured, "redirected", "API_BASE_URL"},
}

// Every trouble of either call is told with its own code and the request.
func TestTroubles(t *testing.T) {
	for _, path := range []string{mePath, warehousesPath} {
		for _, c := range troubles {
			t.Run(path+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				a := newAPI(t)
				a.answer(path, c.answer)
				config := Config{Token: "sesame"}
				if c.name == "slow" {
					config.Timeout = 2 * time.Second // the other call must come through in it
				}
				_, err := read(t, a.source(t, config))
				f := faultOf(t, err)
				if f.Kind != c.kind || f.Code != c.code || !strings.Contains(f.Hint, c.hint) {
					t.Errorf("got %s/%s: %v", f.Kind, f.Code, err)
				}
				if !strings.HasPrefix(f.Detail, "GET "+a.URL+path+": ") {
					t.Errorf("got %s", f.Detail)
				}
			})
		}
	}
}

func TestRefusedAndUnknownHost(t *testing.T) {
	for base, code := range map[string]string{
		testaddr.New(t).URL() + "/api/v1": "refused",
		"http://wms.invalid/api/v1":       "dns",
	} {
		_, err := read(t, newSource(t, Config{BaseURL: base, Token: "sesame"}))
		if f := faultOf(t, err); f.Kind != fault.Unavailable || f.Code != code || !strings.Contains(f.Hint, "API_BASE_URL") ||
			!strings.HasPrefix(f.Detail, "GET "+base+"/iam/users/me: ") {
			t.Errorf("got %+v", f)
		}
	}
}

func TestAnswerLimitIsConfigurable(t *testing.T) {
	_, err := read(t, newAPI(t).source(t, Config{Token: "sesame", MaxAnswerBytes: 1000}))
	if f := faultOf(t, err); f.Code != "answer_too_large" || !strings.Contains(f.Detail, "limit of 1000 bytes") {
		t.Errorf("got %+v", f)
	}
}

// lockedLog collects log lines of several goroutines.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const (
	sentinelToken    = "token-Sentinel-1"
	sentinelPassword = `pass"<Sentinel>&2`
	sentinelIssued   = "issued-Sentinel-3"
)

// echo answers with everything that it was sent and with the given secrets.
func echo(status int, kind string, secrets []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<p>%s %s %s %q</p>", r.Header.Get("Authorization"), body, secrets, secrets)
	}
}

// indiscreet are answers that hold secrets which the client sent or knows.
func indiscreet(secrets []string) map[string]http.HandlerFunc {
	all := strings.Join(secrets, " ")
	answers := map[string]http.HandlerFunc{
		"a grant that cannot be sent": text(200, `{"access_token":"`+sentinelIssued+` x","expires_in":5}`),
		"a name that is a secret":     text(200, fmt.Sprintf(`{%q:}`, all)),
		"a wrong value":               text(200, `{"id":"`+sentinelIssued+`","access_token":["`+sentinelIssued+`"],"warehouses":"`+sentinelIssued+`"}`),
		"no HTTP":                     hijack(func(c net.Conn) { _, _ = io.WriteString(c, "Bearer "+all+"\r\n\r\n") }),
		"an HTML page":                echo(200, "text/html", secrets),
		"a redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://u:"+sentinelIssued+"@h.example/"+url.PathEscape(all)+"?p="+sentinelIssued)
			w.WriteHeader(http.StatusFound)
		},
	}
	for _, status := range []int{200, 400, 401, 403, 404, 409, 429, 500, 501, 503} {
		answers[fmt.Sprint("echo with ", status)] = echo(status, "application/json", secrets)
	}
	for _, c := range troubles {
		answers[c.name] = c.answer
	}
	return answers
}

// Whatever fails, in whichever call and however one authenticates, no secret is
// in an error or in a log line.
func TestNoSecretLeaves(t *testing.T) {
	byHand := Config{Token: sentinelToken, User: "ann", Password: sentinelPassword}
	credentials := Config{User: "ann", Password: sentinelPassword}
	for _, c := range []struct {
		name    string
		config  Config
		path    string
		secrets []string
	}{
		{"token", byHand, mePath, []string{sentinelToken, sentinelPassword}},
		{"token", byHand, warehousesPath, []string{sentinelToken, sentinelPassword}},
		{"credentials", credentials, authPath, []string{sentinelPassword}},
		{"credentials", credentials, mePath, []string{sentinelIssued, sentinelPassword}},
		{"credentials", credentials, warehousesPath, []string{sentinelIssued, sentinelPassword}},
	} {
		for name, answer := range indiscreet(c.secrets) {
			t.Run(c.name+c.path+"/"+name, func(t *testing.T) {
				t.Parallel()
				a := newAPI(t)
				a.answer(authPath, text(200, `{"access_token":"`+sentinelIssued+`","expires_in":3600}`))
				a.answer(c.path, answer)
				var log lockedLog
				config := c.config
				config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				config.Timeout = 10 * time.Second
				config.MaxAnswerBytes = 1 << 20
				if name == "slow" {
					config.Timeout = 100 * time.Millisecond
				}
				s := a.source(t, config)
				stop := background(t, s)
				_, err := read(t, s)
				_, again := read(t, s)
				stop()
				if err == nil || again == nil {
					t.Fatal("no error")
				}
				f := faultOf(t, err)
				for _, said := range []string{err.Error(), again.Error(), f.Detail, f.Hint, fmt.Sprintf("%+v", f), log.String()} {
					if strings.Contains(said, "Sentinel") {
						t.Errorf("a secret in %s", said)
					}
				}
			})
		}
	}
}
