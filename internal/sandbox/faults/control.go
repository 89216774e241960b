package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// ErrUnknown is said of an id that a control call cannot find.
var ErrUnknown = errors.New("nothing has this id")

const maxBody = 1 << 20

// Control makes a handler of a call of the control API, which gives what to say.
func Control(call func(*http.Request) (any, error)) http.HandlerFunc {
	return Loopback(func(w http.ResponseWriter, r *http.Request) {
		v, err := call(r)
		Say(w, v, err)
	})
}

// Loopback keeps a call to this machine, and its body to 1 MiB.
func Loopback(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || !ip.IsLoopback() {
			write(w, http.StatusForbidden, Note("the control API answers on loopback only"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next(w, r)
	}
}

// Say answers a control call with v as JSON or, with a status that fits it, with the
// error.
func Say(w http.ResponseWriter, v any, err error) {
	switch {
	case err == nil:
		write(w, http.StatusOK, v)
	case errors.Is(err, ErrUnknown):
		write(w, http.StatusNotFound, Note(err.Error()))
	case errors.Is(err, context.DeadlineExceeded):
		write(w, http.StatusRequestTimeout, Note(err.Error()))
	default:
		write(w, http.StatusBadRequest, Note(err.Error()))
	}
}

// Note is what is said where there is only something to tell.
func Note(message string) any { return map[string]string{"message": message} }

func write(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}

// ReadJSON decodes what a control call sends: one JSON value that is the whole body.
// A name that it does not know is a slip.
func ReadJSON(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	return DecodeBody(d, v)
}

// DecodeBody decodes one JSON value that is the whole body.
func DecodeBody(d *json.Decoder, v any) error {
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body is not the JSON expected: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the body goes on after its JSON")
	}
	return nil
}

// Control answers the control API's calls about faults: GET lists them, POST orders
// one, and DELETE deletes the one of the path's {id} or, where it has none, them all.
func (l *List) Control(r *http.Request) (any, error) {
	switch r.Method {
	case http.MethodPost:
		return l.post(r)
	case http.MethodDelete:
		id, err := strconv.Atoi(r.PathValue("id"))
		if r.PathValue("id") == "" {
			return map[string]int{"deleted": l.Clear(0)}, nil
		}
		if err != nil || id < 1 || l.Clear(id) == 0 {
			return nil, ErrUnknown
		}
		return map[string]int{"deleted": 1}, nil
	}
	return l.All(), nil
}

func (l *List) post(r *http.Request) (any, error) {
	var text json.RawMessage
	if err := ReadJSON(r, &text); err != nil {
		return nil, err
	}
	f, err := l.dialect.read(text)
	if err != nil {
		return nil, fmt.Errorf("the body is not the JSON expected: %w", err)
	}
	id, err := l.Inject(f)
	return map[string]int{"id": id}, err
}
