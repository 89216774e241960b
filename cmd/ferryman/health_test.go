package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"ferryman/internal/testaddr"
)

func TestHealth(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		says   string
		code   int
	}{
		"ready":     {http.StatusOK, "yes\n", exitOK},
		"not ready": {http.StatusServiceUnavailable, "yes\n", exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/base/readyz" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte("yes"))
			}))
			defer server.Close()
			t.Chdir(t.TempDir()) // there is no .env
			t.Setenv("FERRYMAN_URL", server.URL+"/base/")
			code, out := health(t)
			if code != tt.code || out != tt.says {
				t.Errorf("exit code %d, says %q", code, out)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Chdir(t.TempDir())
		t.Setenv("FERRYMAN_URL", testaddr.New(t).URL())
		if code, out := health(t); code != exitFailed || out != "" {
			t.Errorf("exit code %d, says %q", code, out)
		}
	})
}

// What is wrong with address or certificate is told with what to set.
func TestHealthNamesTheRemedy(t *testing.T) {
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secure.Close()
	gone := testaddr.New(t).URL()
	t.Chdir(t.TempDir())
	for url, want := range map[string]string{
		"http" + strings.TrimPrefix(secure.URL, "https"): "begins with https://.*FERRYMAN_TLS_CERT_FILE.* \\[tls\\]\n$",
		secure.URL: "FERRYMAN_TLS_CERT_FILE.*a name that its certificate is for.* \\[tls\\]\n$",
		"https" + strings.TrimPrefix(plain.URL, "http"): "begins with http://.* \\[tls\\]\n$",
		gone: "check that the server runs, and FERRYMAN_URL.* \\[unreachable\\]\n$",
	} {
		t.Setenv("FERRYMAN_URL", url)
		code, out, failure := healthSays(t)
		if code != exitFailed || out != "" || !regexp.MustCompile(want).MatchString(failure) {
			t.Errorf("%s: exit code %d, prints %q, says %q", url, code, out, failure)
		}
	}
}

// health runs the command, and gives its exit code and what it prints.
func health(t *testing.T) (code int, out string) {
	t.Helper()
	code, out, _ = healthSays(t)
	return code, out
}

func healthSays(t *testing.T) (code int, out, says string) {
	t.Helper()
	var printed, failure bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"health"})
	root.SetOut(&printed)
	root.SetErr(&failure)
	err := root.ExecuteContext(t.Context())
	code = finish(&failure, err, nil)
	return code, printed.String(), failure.String()
}
