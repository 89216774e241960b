package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"status=503":           "status=503",
		"reset, path=/a=b ,x=": "kind=reset path=/a=b x=",
		"":                     "kind=",
		"a=1,b=2,a=3":          "a is given twice",
		"reset,kind=reset":     "kind is given twice",
		"messenger=x":          "messenger is given twice",
		"bad=1,never=2":        "no good",
	} {
		var got []string
		err := Parse(text, func(key, value string) error {
			if key == "bad" {
				return errors.New("no good")
			}
			got = append(got, key+"="+value)
			return nil
		}, "messenger")
		if said := strings.Join(got, " "); err == nil && said != want || err != nil && err.Error() != want {
			t.Errorf("%q: %s, %v, want %s", text, said, err, want)
		}
	}
}

func TestPause(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	gone := make(chan struct{})
	close(gone)
	if !Pause(ended, 0, nil) || Pause(ended, time.Hour, nil) || !Pause(t.Context(), time.Hour, gone) || !Pause(t.Context(), time.Nanosecond, nil) {
		t.Error("it does not tell whether the client is there")
	}
}

func TestCut(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			Cut(w, []byte("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
			return
		}
		Cut(w, nil)
	}))
	defer srv.Close()
	if resp, err := http.Get(srv.URL + "/"); err == nil {
		resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	resp, err := http.Get(srv.URL + "/half")
	if err != nil {
		return // the reset may overtake what was written before it
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("all of it came: %q", text)
	}
}

func TestPad(t *testing.T) {
	var b bytes.Buffer
	Pad(&b, []byte(`{"a":1}`), 200_000)
	var v struct{ A int }
	if err := json.Unmarshal(b.Bytes(), &v); err != nil || v.A != 1 || b.Len() < 200_000 || b.Len() > 200_100 {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
}
