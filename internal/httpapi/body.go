package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"ferryman/internal/fault"
)

// takeBody reads the body to its end, where the read time-out ends, too. It keeps
// the body for a route that takes one, and refuses any that is over the bound.
func (s *Server) takeBody(w http.ResponseWriter, r *http.Request, a access) error {
	most := s.o.MaxBody
	if a.bulk {
		most = max(most, maxBulk)
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
	var err error
	if a.body {
		var buf bytes.Buffer
		// What a client announces it need not send.
		buf.Grow(int(min(max(r.ContentLength, 0), 8<<10)) + bytes.MinRead)
		_, err = buf.ReadFrom(body)
		exchangeOf(r.Context()).body = buf.Bytes()
	} else {
		_, err = io.Copy(io.Discard, body)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge
	case err != nil:
		w.Header().Set("Connection", "close")
		return &fault.Error{Kind: fault.Invalid, Code: "body_unreadable", Detail: "the body could not be read to its end", Err: err}
	}
	return nil
}

// largeBody is more than what a client has sent anyway before it is refused. Of
// bodies that are larger, or of which nobody knows, only so many are in memory at
// a time.
const (
	largeBody = 64 << 10
	maxLarge  = 64

	// Lists of messages may be larger. Of them it counts how large they are together.
	maxBulk      = 16 << 20
	maxBulkTotal = 3 * maxBulk
)

// room finds place for a large body, which leave gives back.
func (s *Server) room(r *http.Request, a access) (leave func(), found bool) {
	if a.bulk {
		size := r.ContentLength
		if size < 0 || size > maxBulk { // none known, or about to be refused
			size = maxBulk
		}
		leave = func() { s.bulk.Add(-size) }
		if s.bulk.Add(size) > maxBulkTotal {
			leave()
			return nil, false
		}
		return leave, true
	}
	select {
	case s.large <- struct{}{}:
		return func() { <-s.large }, true
	default:
		return nil, false
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
