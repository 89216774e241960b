package httpclient

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ferryman/internal/fault"
)

// TestZipBombs has answers come compressed that are a hundred times the limit when they
// are not: they are cut there, and what the other side says of their length is not believed.
func TestZipBombs(t *testing.T) {
	const limit = 1 << 20
	var bomb bytes.Buffer
	w, err := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		_, _ = w.Write(make([]byte, limit)) // memory takes it
	}
	_ = w.Close()
	if bomb.Len() > limit {
		t.Fatalf("the bomb itself is beyond the limit: %d bytes", bomb.Len())
	}
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Error("it does not ask for gzip, and the test shows nothing")
			}
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(status)
			_, _ = w.Write(bomb.Bytes()) // the client hangs up
		}))
		c := New(Options{MaxAnswerBytes: limit})
		var read int64
		err := c.Do(t.Context(), request(t, "GET", srv.URL), func(a *Answer) error {
			n, err := io.Copy(io.Discard, a.Body)
			read = n
			return err
		})
		if status == http.StatusOK && fault.CodeOf(err) != "answer_too_large" || status != http.StatusOK && fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%d: %v", status, err)
		}
		if read > limit {
			t.Errorf("%d: %d bytes were read", status, read)
		}
		e, err := c.Exchange(t.Context(), request(t, "POST", srv.URL))
		if err != nil || len(e.Body) != limit || e.Status != status {
			t.Errorf("%d: %v, %d bytes of %d", status, err, len(e.Body), e.Status)
		}
		if status == http.StatusOK && fault.CodeOf(c.Fault(e)) != "answer_too_large" {
			t.Errorf("cut, and no fault: %v", c.Fault(e))
		}
		c.Close()
		srv.Close()
	}
}

// FuzzHeaders gives a header and a token any value: it arrives as it is, or nothing is
// sent. Nothing of it becomes a header of its own, or a second request.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{"plain", "a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", "\x00", "ü", "\u2028", " x ", "a\tb", "\x7f"} {
		f.Add(seed)
	}
	got := make(chan *http.Request, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	f.Cleanup(srv.Close)
	c := New(Options{})
	f.Cleanup(c.Close)
	f.Fuzz(func(t *testing.T, value string) {
		for _, bearer := range []bool{false, true} {
			r := request(t, "GET", srv.URL)
			if bearer {
				r.Bearer = "t" + value
			} else {
				r.Header = http.Header{"X-Given": {value}}
			}
			err := c.Do(t.Context(), r, nil)
			if err != nil {
				if len(got) > 0 {
					t.Errorf("%q: %v, and it was sent", value, err)
				}
				continue
			}
			came := <-got
			arrived, want := came.Header.Get("X-Given"), strings.Trim(value, " \t")
			if bearer {
				arrived, want = came.Header.Get("Authorization"), "Bearer "+strings.TrimRight("t"+value, " \t")
			}
			if arrived != want || came.URL.Path != "/" || len(got) > 0 || len(came.Header) > 3 {
				t.Errorf("%q arrived as %q with %v", value, arrived, came.Header)
			}
		}
	})
}
