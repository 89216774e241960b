package httpclient

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
)

// decision is what a status leads to.
type decision struct {
	kind  fault.Kind
	code  string
	retry bool
}

func (d decision) String() string { return fmt.Sprintf("%s/%s retry=%t", d.kind, d.code, d.retry) }

// decisions lists the statuses that differ from the rest of their class.
var decisions = map[int]decision{
	300: {fault.Unconfigured, "redirected", false},
	301: {fault.Unconfigured, "redirected", false},
	302: {fault.Unconfigured, "redirected", false},
	303: {fault.Unconfigured, "redirected", false},
	307: {fault.Unconfigured, "redirected", false},
	308: {fault.Unconfigured, "redirected", false},
	401: {fault.Unauthorized, "unauthorized", false},
	402: {fault.Forbidden, "forbidden", false},
	403: {fault.Forbidden, "forbidden", false},
	404: {fault.NotFound, "not_found", false},
	407: {fault.Unconfigured, "proxy_unauthorized", false},
	408: {fault.Timeout, "timeout", true},
	409: {fault.Conflict, "conflict", false},
	410: {fault.NotFound, "not_found", false},
	413: {fault.TooLarge, "request_too_large", false},
	414: {fault.TooLarge, "request_too_large", false},
	418: {fault.Inactive, "inactive", false},
	423: {fault.Conflict, "conflict", false},
	425: {fault.RateLimited, "rate_limited", true},
	429: {fault.RateLimited, "rate_limited", true},
	431: {fault.TooLarge, "request_too_large", false},
	451: {fault.Forbidden, "forbidden", false},
	501: {fault.Invalid, "upstream_error", false},
	504: {fault.Timeout, "timeout", true},
	505: {fault.Invalid, "upstream_error", false},
}

var classDecisions = map[int]decision{
	1: {fault.Invalid, "unexpected_status", false},
	3: {fault.Invalid, "unexpected_status", false},
	4: {fault.Invalid, "rejected", false},
	5: {fault.Unavailable, "upstream_error", true},
}

func TestEveryStatus(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.WriteHeader(status)
	}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()

	for status := 100; status <= 599; status++ {
		var err error
		if status < 200 {
			err = statusFault(status) // net/http never hands one out as an answer
		} else {
			err = c.Do(t.Context(), request(t, "GET", srv.URL+"/"+strconv.Itoa(status)), nil)
		}
		if status/100 == 2 {
			if err != nil {
				t.Errorf("%d: %v", status, err)
			}
			continue
		}
		want, ok := decisions[status]
		if !ok {
			want = classDecisions[status/100]
		}
		got := decision{fault.KindOf(err), fault.CodeOf(err), fault.Temporary(err)}
		if got != want {
			t.Errorf("%d: got %v, want %v", status, got, want)
		}
		if status >= 200 && !strings.Contains(err.Error(), "GET "+srv.URL) {
			t.Errorf("%d: the request is not named in %q", status, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                                0,
		"0":                               0,
		"7":                               7 * time.Second,
		" 7 ":                             7 * time.Second,
		"-7":                              0,
		"1.5":                             0,
		"soon":                            0,
		"3601":                            maxRetryAfter,
		"9223372036854775807":             maxRetryAfter,
		"99999999999999999999999":         maxRetryAfter,
		"-99999999999999999999999":        0,
		"Tue, 06 May 2031 07:10:09 GMT":   2 * time.Minute,
		"Tue, 06 May 2031 07:00:00 GMT":   0,
		"Tue, 06 May 2036 07:00:00 GMT":   maxRetryAfter,
		"Tuesday, 06-May-31 07:10:09 GMT": 2 * time.Minute,
	} {
		if got := retryAfter(header, now, maxRetryAfter); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", header, got, want)
		}
	}
}

func TestRetryAfterReachesTheFault(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "120")
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.WriteHeader(status)
	}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	for status, want := range map[int]time.Duration{429: 2 * time.Minute, 503: 2 * time.Minute, 404: 0} {
		f := faultOf(t, c.Do(t.Context(), request(t, "GET", fmt.Sprint(srv.URL, "/", status)), nil))
		if f.RetryAfter != want {
			t.Errorf("%d: RetryAfter is %v, want %v", status, f.RetryAfter, want)
		}
		if said := strings.HasSuffix(f.Detail, "; it asks to wait 2m0s"); said != (want != 0) {
			t.Errorf("%d: got %s", status, f.Detail)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var followed bool
	mux := http.NewServeMux()
	mux.HandleFunc("/old", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://someone:hunter2@"+r.Host+"/new?ticket=hunter2#hunter2")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/new", func(http.ResponseWriter, *http.Request) { followed = true })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c := New(Options{Settings: Settings{Address: "API_BASE_URL"}})
	defer c.Close()

	err := c.Do(t.Context(), request(t, "POST", srv.URL+"/old?key=hunter2"), nil)
	want := "POST " + srv.URL + "/old: 307 Temporary Redirect to " + srv.URL +
		"/new (redirects are not followed: set API_BASE_URL to the address that answers itself)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if followed {
		t.Error("the redirect was followed")
	}
}

func TestRedirectToNowhere(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	f := faultOf(t, c.Do(t.Context(), request(t, "GET", srv.URL), nil))
	if want := "GET " + srv.URL + ": 302 Found"; f.Code != "redirected" || f.Detail != want {
		t.Errorf("got %+v, want %s", f, want)
	}
}

func TestErrorQuotesTheAnswer(t *testing.T) {
	long := strings.Repeat("ü", 5000)
	for name, c := range map[string]struct{ answer, want string }{
		"empty":      {"", "500 Internal Server Error"},
		"one line":   {`{"error":"out of cheese"}`, `500 Internal Server Error: {"error":"out of cheese"}`},
		"controls":   {"a\x00b\r\n\tc\x1b[31md\u202ee", "500 Internal Server Error: a b c [31md e"},
		"not UTF-8":  {"a\xffb", "500 Internal Server Error: a\uFFFDb"},
		"very long":  {long, "500 Internal Server Error: " + strings.Repeat("ü", snippetRunes) + "…"},
		"only space": {" \n ", "500 Internal Server Error"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte(c.answer))
			}))
			defer srv.Close()
			client := New(Options{})
			defer client.Close()
			f := faultOf(t, client.Do(context.Background(), request(t, "GET", srv.URL), nil))
			if want := "GET " + srv.URL + ": " + c.want; f.Detail != want {
				t.Errorf("got  %q\nwant %q", f.Detail, want)
			}
		})
	}
}
