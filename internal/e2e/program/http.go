package program

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"ferryman/internal/testwait"
)

// Do makes an HTTP call, with headers that come in pairs, and gives status and body.
// A body is JSON.
func Do(t testing.TB, method, url, body string, headers ...string) (status int, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	Saw(t, "answer to "+method+" "+req.URL.Path, string(all))
	return res.StatusCode, string(all)
}

// MustDo makes a call that has to go well, and gives its answer.
func MustDo(t testing.TB, method, url, body string, headers ...string) string {
	t.Helper()
	status, answer := Do(t, method, url, body, headers...)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, url, status, answer)
	}
	return answer
}
