package pushclient

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/testaddr"
)

// Every status is either tried again or final.
func TestStatuses(t *testing.T) {
	t.Parallel()
	c, err := New(Options{URL: "http://user:password@host/base"})
	if err != nil {
		t.Fatal(err)
	}
	again := map[int]bool{408: true, 425: true, 429: true, 500: true}
	for status := 300; status < 600; status++ {
		err := c.statusFault(&http.Response{StatusCode: status, Header: http.Header{}}, []byte(`{"detail":"some\nreason\u001b[31m"}`))
		if want := again[status] || status > 501; passing(err) != want {
			t.Errorf("%d: tried again %v, want %v", status, !want, want)
		}
		if text := err.Error(); strings.Contains(text, "password") || !strings.Contains(text, "some reason [31m") || strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("%d: %q", status, text)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	address := testaddr.New(t).Host
	c, err := New(Options{URL: "http://user:password@" + address})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), 1)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "password") {
		t.Errorf("got %v", err)
	}

	s := serve(t)
	release := make(chan struct{})
	s.before = func(http.ResponseWriter, []byte) bool { <-release; return true }
	defer close(release)
	slow, err := New(Options{URL: s.URL + "/base", Key: testKey, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = slow.Store(t.Context(), Draft{}, SendOptions{Tries: 1}); fault.KindOf(err) != fault.Timeout {
		t.Errorf("got %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-1": 0, "999999": maxRetryAfter, "soon": 0,
		"Wed, 02 Jan 2030 03:04:25 GMT": 20 * time.Second, "Wed, 02 Jan 2030 03:04:00 GMT": 0, "Thu, 03 Jan 2030 03:04:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
}

func TestReadRefused(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string][][]Problem{
		`[{},{"b":["1","2"],"a":["3"]},["null"],{"non_field_errors":["whole"]}]`: {nil, {{"a", "3"}, {"b", "1"}, {"b", "2"}}, {{"", "null"}}, {{"", "whole"}}},
		`{"start_at":["wrong"]}`:                    {{{"start_at", "wrong"}}},
		`{"non_field_errors":["Expected a list."]}`: {{{"", "Expected a list."}}},
		`{"detail":"JSON parse error"}`:             nil,
		`[{}]`:                                      nil,
		`[5]`:                                       nil,
		`[null]`:                                    nil,
		`"text"`:                                    nil,
		``:                                          nil,
	} {
		got := readRefused([]byte(answer))
		if want == nil && got == nil {
			continue
		}
		if want == nil || got == nil || !reflect.DeepEqual(got.Items, want) {
			t.Errorf("%s: got %+v, want %+v", answer, got, want)
		}
	}
}

func FuzzReadRefused(f *testing.F) {
	for _, s := range []string{`[{},{"a":["b"]}]`, `[["x"],null]`, `{"a":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		r := readRefused(answer)
		if r == nil {
			return
		}
		_ = r.Error()
		found := false
		for n := range r.Items {
			found = found || len(r.Items[n]) > 0
			if r.Taken(n) && len(r.Items[n]) != 1 {
				t.Error("taken, and something else")
			}
		}
		if !found {
			t.Error("nothing is refused")
		}
	})
}
