package httpapi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// answers sends bytes over a connection of their own, and gives the statuses of all
// answers until the server closes. Whoever sends is done then, so a server that still
// waits for more is told that there is none.
func (h *house) answers(text string) []int {
	h.t.Helper()
	conn := h.dial()
	if err := conn.SetDeadline(time.Now().Add(testwait.Limit)); err != nil {
		h.t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, text) // the server may have had enough
		_ = conn.(*net.TCPConn).CloseWrite()
		sent <- err
	}()
	var all []int
	in := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				h.t.Errorf("%.80q is not answered to its end", text)
			}
			break
		}
		all = append(all, res.StatusCode)
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			break
		}
		_ = res.Body.Close()
	}
	_ = testwait.Receive(h.t, sent)
	return all
}

// TestSmuggling sends requests whose end two readers could see in different places. What
// is refused must end the connection: nothing after it is read as a request. The second
// request below is never reached but where its place is beyond doubt.
func TestSmuggling(t *testing.T) {
	const (
		head = "POST /api/nightly/start HTTP/1.1\r\nHost: localhost\r\n"
		next = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	)
	h := build(t)
	h.serve(ServeOptions{})
	for name, tt := range map[string]struct {
		send string
		want []int
	}{
		"as it should be":             {head + "Content-Length: 4\r\n\r\nbody" + next, []int{401, 200}},
		"two lengths that agree":      {head + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody" + next, []int{401, 200}},
		"two lengths":                 {head + "Content-Length: 4\r\nContent-Length: 90\r\n\r\nbody" + next, []int{400}},
		"two lengths in one line":     {head + "Content-Length: 4, 90\r\n\r\nbody" + next, []int{400}},
		"a length with a sign":        {head + "Content-Length: +4\r\n\r\nbody" + next, []int{400}},
		"a negative length":           {head + "Content-Length: -1\r\n\r\nbody" + next, []int{400}},
		"a length in hex":             {head + "Content-Length: 0x4\r\n\r\nbody" + next, []int{400}},
		"a length beyond all numbers": {head + "Content-Length: 99999999999999999999\r\n\r\nbody" + next, []int{400}},
		// RFC 9112, 6.3: the coding wins, and the connection ends.
		"length and coding":         {head + "Content-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, []int{401}},
		"coding, then rest":         {head + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + next, []int{401}},
		"an unknown coding":         {head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + next, []int{501}},
		"two codings":               {head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + next, []int{501}},
		"two lines of coding":       {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + next, []int{501}},
		"a coding and a tab":        {head + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + next, []int{400}},
		"coding in odd case":        {head + "tRANSFER-eNCODING: cHUNKED\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + next, []int{401}},
		"coding in HTTP/1.0":        {"POST /api/nightly/start HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, []int{401}},
		"blank before the colon":    {head + "Content-Length : 4\r\n\r\nbody" + next, []int{400}},
		"blank in the name":         {head + "Content Length: 4\r\n\r\nbody" + next, []int{400}},
		"a name with a NUL":         {head + "Content-Length\x00: 4\r\n\r\nbody" + next, []int{400}},
		"a value with a NUL":        {head + "X: a\x00b\r\n\r\n" + next, []int{400}},
		"a value with a bare CR":    {head + "X: a\rContent-Length: 90\r\n\r\n" + next, []int{400}},
		"a line without a colon":    {head + "nonsense\r\n\r\n" + next, []int{400}},
		"a folded first line":       {"POST /api/nightly/start HTTP/1.1\r\n Host: localhost\r\n\r\n" + next, []int{400}},
		"two hosts":                 {head + "Host: evil.example\r\n\r\n" + next, []int{400}},
		"no host":                   {"GET /healthz HTTP/1.1\r\n\r\n" + next, []int{400}},
		"a host that is none":       {"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n" + next, []int{400}},
		"a version that is none":    {"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n" + next, []int{505}},
		"two blanks":                {"GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + next, []int{400}},
		"a chunk without its end":   {head + "Transfer-Encoding: chunked\r\n\r\n4\r\nbodyGET / HTTP/1.1\r\n\r\n", []int{401}},
		"a chunk of a huge size":    {head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nbody\r\n0\r\n\r\n" + next, []int{401}},
		"a chunk of negative size":  {head + "Transfer-Encoding: chunked\r\n\r\n-4\r\nbody\r\n0\r\n\r\n" + next, []int{401}},
		"chunks that end in LF":     {head + "Transfer-Encoding: chunked\r\n\r\n4;\nbody\r\n0\r\n\r\n" + next, []int{401}},
		"a flood of chunk trailers": {head + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 100_000) + "\r\n" + next, []int{401}},
		"a flood of extensions":     {head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\nb\r\n", 1000) + "0\r\n\r\n" + next, []int{401}},
		"a flood of headers":        {head + strings.Repeat("X: y\r\n", 20_000) + "\r\n" + next, []int{431}},
		"a flood of one header":     {head + "X: " + strings.Repeat("y", 100_000) + "\r\n\r\n" + next, []int{431}},
		"a long path":               {"GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n" + next, []int{431}},
	} {
		if got := h.answers(tt.send); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestManySlowClients opens far more connections than the server takes, all of which say
// something now and then and never come to an end, and looks that others are served.
func TestManySlowClients(t *testing.T) {
	for name, begin := range map[string]string{
		"head": "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
		"body": "POST /messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n[",
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t)
			const most, crowd = 20, 60
			const patience = 500 * time.Millisecond
			h.serve(ServeOptions{MaxConnections: most, ReadHeaderTimeout: patience, ReadTimeout: patience})
			stop, gone := make(chan struct{}), make(chan struct{}, crowd)
			for range crowd {
				conn := h.dial()
				go func() {
					defer func() { gone <- struct{}{} }()
					tick := time.NewTicker(patience / 20)
					defer tick.Stop()
					_, err := io.WriteString(conn, begin)
					for err == nil {
						select {
						case <-tick.C:
							_, err = io.WriteString(conn, " ")
						case <-stop:
							return
						}
					}
				}()
			}
			// They are cut in time, and what was in their place is free for others.
			testwait.Until(t, "somebody else is served", func() bool {
				a, err := h.try("GET", "/readyz", "")
				return err == nil && a.StatusCode == http.StatusOK
			})
			for range crowd {
				_ = testwait.Receive(t, gone)
			}
			close(stop)
		})
	}
}
