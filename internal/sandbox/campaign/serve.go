package campaign

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"ferryman/internal/sandbox/faults"
)

// The calls of the API, below /api/campaigns/{id}/.
const (
	fieldsPath       = "fields/list"
	contactListPath  = "contacts/list"
	contactsPath     = "contacts/"
	transactionsPath = "contacts/transactions/"
	callsPath        = "inbound/calls/"
)

var endpoints = [...]string{fieldsPath, contactListPath, contactsPath, transactionsPath, callsPath}

// answer is what the API says when nothing is wrong.
type answer struct {
	text     []byte
	contacts int // how many it brings, of contacts in full
	buffer   *[]byte
}

// refusal is an answer with another status than 200. Anything else that goes
// wrong with a request is its own fault: 400.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// callFunc answers a call of the API, given its body.
type callFunc func(*campaign, *http.Request, []byte) (answer, error)

// upstream registers the calls of the API.
func (s *Server) upstream() {
	var buffers sync.Pool
	buffers.New = func() any { return new([]byte) }
	for path, call := range map[string]callFunc{
		"GET " + fieldsPath:       (*campaign).getFields,
		"GET " + contactListPath:  (*campaign).getContactList,
		"GET " + transactionsPath: (*campaign).getTransactions,
		"GET " + callsPath:        (*campaign).getCalls,
		"POST " + contactsPath: func(c *campaign, r *http.Request, body []byte) (answer, error) {
			return c.postContacts(r, body, buffers.Get().(*[]byte))
		},
	} {
		method, path, _ := strings.Cut(path, " ")
		pattern := method + " /api/campaigns/{campaign}/" + path
		if strings.HasSuffix(path, "/") {
			pattern += "{$}"
		}
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c := s.find(r.PathValue("campaign"))
			if c == nil {
				http.Error(w, "no such campaign, or not with this token", http.StatusForbidden)
				return
			}
			c.serve(w, r, path, call, &buffers)
		})
	}
}

// serve answers one call: counted, before anybody can know how it went, and
// misbehaving where that is ordered.
func (c *campaign) serve(w http.ResponseWriter, r *http.Request, path string, call callFunc, buffers *sync.Pool) {
	seen := request{At: c.Now(), Method: r.Method, Path: path, Query: r.URL.RawQuery}
	refuse := func(status int, text string) {
		seen.Status = status
		c.requests.note(seen)
		http.Error(w, text, status)
	}
	// Go notices that a client left only once the request's body was read.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(http.StatusBadRequest, "the body cannot be read")
		return
	}
	if f := c.take(false, path); f != nil {
		seen.Fault = f.Kind
		switch there := f.Begin(r.Context()); {
		case !there:
			c.requests.note(seen)
			return
		case f.Kind == faults.Refuse:
			c.requests.note(seen)
			faults.Cut(w, nil)
			return
		case f.Kind == faults.Status:
			if f.RetryAfter != "" {
				w.Header().Set("Retry-After", f.RetryAfter)
			}
			refuse(f.Status, "ordered by the sandbox")
			return
		}
	}
	a, err := c.guarded(r, body, call)
	if a.buffer != nil {
		defer buffers.Put(a.buffer)
	}
	if err != nil {
		status := http.StatusBadRequest
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			status = refused.status
		}
		refuse(status, err.Error())
		return
	}
	seen.Status, seen.Contacts = http.StatusOK, a.contacts
	if f := c.take(true, path); f != nil {
		seen.Fault = f.Kind
		c.requests.note(seen)
		f.Spoil(w, r, a.text)
		return
	}
	seen.Bytes = int64(len(a.text))
	c.requests.note(seen)
	w.Header().Set("Content-Type", faults.ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.text)))
	_, _ = w.Write(a.text) // the client may be gone
}

// guarded lets a request through that shows the token.
func (c *campaign) guarded(r *http.Request, body []byte, call callFunc) (answer, error) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || token != c.Token {
		return answer{}, &refusal{http.StatusForbidden, "no such campaign, or not with this token"}
	}
	return call(c, r, bytes.TrimSpace(body))
}
