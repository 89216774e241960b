package messengers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"ferryman/internal/sandbox/faults"
)

const maxBody = 1 << 20

// serve answers calls of a messenger: counted, misbehaving where that is ordered.
func (s *Server) serve(v vendor) http.HandlerFunc {
	to := v.messenger()
	return func(w http.ResponseWriter, r *http.Request) {
		s.requests[to.index()].Add(1)
		if f := s.take(unread, to, ""); f != nil {
			f.Begin(r.Context())
			faults.Cut(w, nil)
			return
		}
		// Go notices that a client left only once the request's body was read.
		body, err := readBody(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			s.refused[to.index()].Add(1)
			http.Error(w, "only POST is answered", http.StatusMethodNotAllowed)
			return
		}
		m, failed := v.read(r, body)
		if f := s.take(received, to, m.recipient); f != nil {
			ordered, over := fail(w, r, f)
			if over {
				return
			}
			if ordered.failed() {
				failed = ordered
			}
		}
		if !failed.failed() {
			failed = specialFailure(v, m.recipient)
		}
		if !failed.failed() {
			if wait, one := s.limits.admit(to, m.recipient, s.now()); wait > 0 {
				failed = v.crowded(one, wait)
			}
		}
		s.settle(w, r, v, m, failed)
	}
}

// settle records the message and answers.
func (s *Server) settle(w http.ResponseWriter, r *http.Request, v vendor, m message, failed failure) {
	to := v.messenger()
	a := Arrival{At: s.now().UTC(), Messenger: to, Recipient: m.recipient, Text: m.text, Reference: m.reference, Status: http.StatusOK}
	if to == Webhook {
		a.Header = r.Header.Clone()
	}
	if failed.failed() {
		s.refuse(w, v, failed, a)
		return
	}
	f := s.take(agreed, to, m.recipient)
	if f == nil && m.recipient == lost {
		f = &faults.Ordered{Fault: Fault{Kind: Reset}}
	}
	if f != nil && (f.Kind == Reset || f.Kind == Mute) {
		a.Status = 0
	}
	a, err := s.arrivals.record(a, v.id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text, err := json.Marshal(v.accepted(a))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if f != nil {
		spoil(w, r, f, text)
		return
	}
	writeText(w, http.StatusOK, text)
}

// refuse answers a failure. What came to a webhook is recorded all the same: its
// receiver saw it.
func (s *Server) refuse(w http.ResponseWriter, v vendor, f failure, a Arrival) {
	status, text, err := say(v, f)
	if err == nil && a.Messenger == Webhook {
		a.Status = status
		_, err = s.arrivals.record(a, v.id)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if a.Messenger != Webhook || !a.taken() {
		s.refused[a.Messenger.index()].Add(1)
	}
	writeText(w, status, text)
}

// say gives the status and the body of a failure.
func say(v vendor, f failure) (status int, text []byte, err error) {
	if f.code == 0 && v.messenger() != Telegram { // a gateway's words; Telegram's own codes are those of HTTP
		return f.status, []byte(strconv.Itoa(f.status) + " " + http.StatusText(f.status) + "\n"), nil
	}
	status, said := v.refused(f)
	text, err = json.Marshal(said)
	return status, text, err
}

func readBody(r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= maxBody {
		b.Grow(int(n) + bytes.MinRead) // so that the end is found without growing
	}
	if _, err := b.ReadFrom(io.LimitReader(r.Body, maxBody+1)); err != nil {
		return nil, fmt.Errorf("the body cannot be read: %w", err)
	}
	if b.Len() > maxBody {
		return nil, errors.New("the body is more than 1 MiB")
	}
	return b.Bytes(), nil
}

func writeText(w http.ResponseWriter, status int, text []byte) {
	kind := faults.ContentType
	if len(text) > 0 && text[0] != '{' && text[0] != '[' {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(text) //nolint:gosec // never as HTML; the client may be gone
}
