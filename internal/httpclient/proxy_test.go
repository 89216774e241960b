package httpclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/testaddr"
)

// throughProxy is what the test binary does when it is started as a child: the
// environment's proxies are read once in a process.
func throughProxy(target string) {
	c := New(Options{})
	u, err := url.Parse(target)
	if err == nil {
		err = c.Do(context.Background(), Request{Method: "GET", URL: u}, func(a *Answer) error {
			_, err := io.Copy(os.Stdout, a.Body)
			return err
		})
	}
	if err != nil {
		fmt.Println(fault.CodeOf(err), err)
	}
}

func childOutput(t *testing.T, target string, environment ...string) string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append([]string{"HTTPCLIENT_TEST_TARGET=" + target}, environment...)
	out, err := child.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestProxyOfTheEnvironment(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "proxied "+r.RequestURI)
	}))
	defer proxy.Close()
	if got := childOutput(t, "http://wms.invalid/x", "HTTP_PROXY="+proxy.URL); got != "proxied http://wms.invalid/x" {
		t.Errorf("got %s", got)
	}
	withPassword := strings.Replace(testaddr.New(t).URL(), "://", "://me:hunter2@", 1)
	got := childOutput(t, "https://wms.invalid/x", "HTTPS_PROXY="+withPassword)
	if !strings.HasPrefix(got, "refused GET https://wms.invalid/x: the connection was refused at the proxy") ||
		!strings.Contains(got, "check HTTP_PROXY") || strings.Contains(got, "hunter2") {
		t.Errorf("got %s", got)
	}
}
