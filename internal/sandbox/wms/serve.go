package wms

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"ferryman/internal/sandbox/faults"
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
		if f := s.take(false, rt.pattern, path); f != nil && s.fail(w, r, f) {
			return
		}
		answer := rt.answer(r)
		if answer.status == http.StatusOK {
			if f := s.take(true, rt.pattern, path); f != nil {
				spoil(w, r, f, answer)
				return
			}
		}
		writeJSON(w, answer.status, answer.body)
	}
}

// fail does one of the early kinds. It tells whether the request is over.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *faults.Ordered) bool {
	if !f.Begin(r.Context()) {
		return true
	}
	switch f.Kind {
	case Refuse:
		faults.Cut(w, nil)
	case Status:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		writeJSON(w, f.Status, refusal(f.Status, "ordered by the sandbox").body)
	case Redirect:
		w.Header().Set("Location", cmp.Or(f.Location, elsewhere))
		w.WriteHeader(cmp.Or(f.Status, http.StatusFound))
	default: // Hang or Delay: it is over
		return false
	}
	return true
}

// spoil does one of the late kinds to an answer.
func spoil(w http.ResponseWriter, r *http.Request, f *faults.Ordered, answer reply) {
	text, err := json.Marshal(answer.body)
	if err == nil && (f.Kind == WrongType || f.Kind == MissingField) {
		text, err = mutate(text, &f.Fault)
	}
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, refusal(http.StatusInternalServerError, "sandbox: "+err.Error()).body)
		return
	}
	f.Spoil(w, r, text)
}

// mutate takes a field out of a JSON object, or gives it a value of another type.
func mutate(text []byte, f *Fault) ([]byte, error) {
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
	return faults.DecodeBody(json.NewDecoder(r.Body), v)
}
