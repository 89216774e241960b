package wms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serve answers a route: counted, held, misbehaving where that is ordered.
func (s *Server) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests[rt.method+" "+rt.pattern]++
		s.mu.Unlock()
		path := strings.TrimPrefix(r.URL.Path, s.base)
		// Go notices that a client left only once the request's body was read.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, refusal(http.StatusBadRequest, "the body cannot be read").body)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !s.holds.wait(r.Context(), rt.pattern, path) {
			return
		}
		if f := s.faults.take(early, rt.pattern, path); f != nil && s.fail(w, r, f) {
			return
		}
		answer := rt.answer(r)
		if answer.status == http.StatusOK {
			if f := s.faults.take(late, rt.pattern, path); f != nil {
				if s.pause(r, f) {
					spoil(w, f.Fault, answer)
				}
				return
			}
		}
		writeJSON(w, answer.status, answer.body)
	}
}

// pause waits for the fault's delay. It tells whether the client is still there.
func (s *Server) pause(r *http.Request, f *ordered) bool {
	if f.Delay == 0 {
		return true
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.gone:
		return true
	case <-r.Context().Done():
		return false
	}
}

// fail does one of the early kinds. It tells whether the request is over.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *ordered) bool {
	if !s.pause(r, f) {
		return true
	}
	switch f.Kind {
	case Refuse:
		cut(w, nil)
	case Hang:
		select {
		case <-f.gone:
			return false
		case <-r.Context().Done():
		}
	case Status:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		writeJSON(w, f.Status, refusal(f.Status, "ordered by the sandbox").body)
	case Redirect:
		w.Header().Set("Location", or(f.Location, elsewhere))
		w.WriteHeader(or(f.Status, http.StatusFound))
	default: // Delay: it is over
		return false
	}
	return true
}

// spoil does one of the late kinds to an answer.
func spoil(w http.ResponseWriter, f Fault, answer reply) {
	text, err := json.Marshal(answer.body)
	if err == nil && (f.Kind == WrongType || f.Kind == MissingField) {
		text, err = mutate(text, f)
	}
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, refusal(http.StatusInternalServerError, "sandbox: "+err.Error()).body)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	half := text[:len(text)/2]
	switch f.Kind {
	case Reset:
		cut(w, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), half))
	case Truncate:
		h.Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(half) // the server closes the connection, seeing too little written
	case InvalidJSON:
		_, _ = w.Write(half)
	case Huge:
		pad(w, text, or(f.Size, defaultHuge))
	default:
		_, _ = w.Write(text)
	}
}

// cut ends the connection with a reset, after some last bytes.
func cut(w http.ResponseWriter, last []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection of its own to cut
	}
	_, _ = conn.Write(last)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// pad sends a JSON object grown to about size bytes by one more field.
func pad(w io.Writer, text []byte, size int64) {
	_, err := w.Write(append(bytes.TrimSuffix(text, []byte("}")), `,"padding":"`...))
	chunk := bytes.Repeat([]byte("ferry"), 13_000)
	for left := size - int64(len(text)); left > 0 && err == nil; left -= int64(len(chunk)) {
		_, err = w.Write(chunk[:min(left, int64(len(chunk)))])
	}
	if err == nil {
		_, _ = io.WriteString(w, `"}`)
	}
}

// mutate takes a field out of a JSON object, or gives it a value of another type.
func mutate(text []byte, f Fault) ([]byte, error) {
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	at, steps := root, strings.Split(f.Field, ".")
	for i, step := range steps {
		switch node := at.(type) {
		case map[string]any:
			value, found := node[step]
			if !found {
				return nil, fmt.Errorf("the answer has no field %q", f.Field)
			}
			if i < len(steps)-1 {
				at = value
			} else if f.Kind == MissingField {
				delete(node, step)
			} else {
				node[step] = otherType(value)
			}
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(node) || i == len(steps)-1 {
				return nil, fmt.Errorf("the answer has no field %q", f.Field)
			}
			at = node[n]
		default:
			return nil, fmt.Errorf("the answer has no field %q", f.Field)
		}
	}
	return json.Marshal(root)
}

func otherType(v any) any {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return "a list, they said"
	default:
		return []any{"not", "what", "you", "expect"}
	}
}

// readTypedJSON decodes what a call of the API sends and says to be JSON. As the
// real API does, it overlooks names that it does not know.
func readTypedJSON(r *http.Request, v any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return fmt.Errorf("the body is %q, not application/json", r.Header.Get("Content-Type"))
	}
	return decodeBody(json.NewDecoder(r.Body), v)
}

// readJSON decodes what a call of the control API sends. A name that it does not
// know is a slip.
func readJSON(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	return decodeBody(d, v)
}

// decodeBody decodes one JSON value that is the whole body.
func decodeBody(d *json.Decoder, v any) error {
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body is not the JSON expected: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("the body goes on after its JSON")
	}
	return nil
}
