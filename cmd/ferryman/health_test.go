package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
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
		server := httptest.NewServer(nil)
		server.Close()
		t.Chdir(t.TempDir())
		t.Setenv("FERRYMAN_URL", server.URL)
		if code, out := health(t); code != exitFailed || out != "" {
			t.Errorf("exit code %d, says %q", code, out)
		}
	})
}

// health runs the command, and gives its exit code and what it prints.
func health(t *testing.T) (code int, out string) {
	t.Helper()
	var printed, failure bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"health"})
	root.SetOut(&printed)
	root.SetErr(&failure)
	err := root.ExecuteContext(t.Context())
	return finish(&failure, err, nil), printed.String()
}
