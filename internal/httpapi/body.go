package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"ferryman/internal/fault"
)

// takeBody reads the body to its end, where the read time-out ends, too. It keeps
// the body for a route that takes one, and refuses any that is over the bound.
func (s *Server) takeBody(w http.ResponseWriter, r *http.Request, ex *exchange) (err error) {
	most, takes := s.o.MaxBody, ex.route.access
	if takes.bulk {
		most, ex.place.of = max(most, maxBulk), &s.bulk
	}
	tooLarge := &fault.Error{
		Kind: fault.TooLarge, Code: "body_too_large",
		Detail: fmt.Sprintf("the body is larger than %d bytes", most),
	}
	if r.ContentLength > most {
		refuseBody(w, r)
		return tooLarge
	}
	body := http.MaxBytesReader(w, r.Body, most)
	if takes.body {
		ex.body, err = readBody(body, r.ContentLength, most, ex.place.grow)
	} else {
		_, err = io.Copy(io.Discard, body)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge
	case errors.Is(err, errManyBodies):
		refuseBody(w, r)
		return err
	case err != nil:
		w.Header().Set("Connection", "close")
		return &fault.Error{Kind: fault.Invalid, Code: "body_unreadable", Detail: "the body could not be read to its end", Err: err}
	}
	return nil
}

// readBody reads a body into memory that grows with what has come: what a client
// announces it need not send. It asks grow before.
func readBody(body io.Reader, announced, most int64, grow func(size int64) bool) ([]byte, error) {
	times := int64(4)
	if announced < 0 { // it may be much less than that
		announced, times = most, 2
	}
	buf := make([]byte, 0, min(announced, 8<<10)+bytes.MinRead)
	for {
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, err
		case len(buf) < cap(buf):
			continue
		}
		size := min(times*int64(cap(buf)), announced+bytes.MinRead) // the rest is for finding the end
		if !grow(size) {
			return nil, errManyBodies
		}
		buf = append(make([]byte, 0, size), buf...)
	}
}

// largeBody is more than what a client has sent anyway before it is refused. Of
// bodies that are larger, or of which nobody knows, only so many are in memory at
// a time.
const (
	largeBody = 64 << 10
	maxLarge  = 64

	// Lists of messages may be larger. Of them it counts how large they are together,
	// and lets only so many at a time grow into messages and an answer.
	maxBulk      = 16 << 20
	maxBulkTotal = maxBulk + maxBulk/2
	maxPosting   = 4
)

// room finds place for a large body, which leave gives back.
func (s *Server) room() (leave func(), found bool) {
	select {
	case s.large <- struct{}{}:
		return func() { <-s.large }, true
	default:
		return nil, false
	}
}

// share is what one large list has of the memory for all of them. A share of
// nothing has no bounds.
type share struct {
	of   *atomic.Int64
	size int64
}

// grow makes the share as large as the memory that a list takes, if there is place.
func (p *share) grow(size int64) bool {
	if p.of == nil || size <= largeBody {
		return true
	}
	more := size - p.size
	if p.of.Add(more) > maxBulkTotal+bytes.MinRead {
		p.of.Add(-more)
		return false
	}
	p.size = size
	return true
}

func (p *share) leave() {
	if p.of != nil {
		p.of.Add(-p.size)
	}
}

var errManyBodies = &fault.Error{
	Kind: fault.RateLimited, Code: "too_many_bodies", Detail: "too many large bodies are being taken", RetryAfter: time.Second,
	Hint: "bodies of up to 64 KiB with a content-length are taken at any time",
}

// refuseBody has the connection closed after the answer. To a client that is
// sending already, net/http gives some time to read the answer if a reader of
// bodies says that one is too large: else a reset could overtake it.
func refuseBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") == "" {
		_, _ = http.MaxBytesReader(w, r.Body, 0).Read(make([]byte, 1))
	}
}

// jsonBody gives the body of a route that takes one. Its type may be missing or
// one that clients send who do not know better, as curl -d does; what names
// another format is refused.
func jsonBody(r *http.Request) ([]byte, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &mediaTypeError{"a body with a content-encoding is not taken: send it as it is"}
	}
	if given := r.Header.Get("Content-Type"); !mayBeJSON(given) {
		return nil, &mediaTypeError{"the body must be JSON, with the type application/json"}
	}
	return exchangeOf(r.Context()).body, nil
}

func mayBeJSON(contentType string) bool {
	if strings.TrimSpace(contentType) == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil && kind == "" {
		return false
	}
	switch kind {
	case "application/json", "text/json", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream":
		return true
	}
	return strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")
}

// mediaTypeError says that a body is of a type that the call does not take.
type mediaTypeError struct{ detail string }

func (e *mediaTypeError) Error() string { return e.detail }
