package pushclient

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// contract is a server of the message API as its contract has it, as far as a
// client can see.
type contract struct {
	*httptest.Server
	t testing.TB

	// before is asked before a POST of a list is looked at, after before it is
	// answered; what answers itself gives true.
	before, after func(w http.ResponseWriter, body []byte) bool

	mu       sync.Mutex
	messages []map[string]any
	taken    map[string]bool
	answers  map[string][]byte // by idempotency key
	keys     []string          // as they came
	sizes    []int             // of the lists
	now, top int               // calls at the same time
}

const testKey = "fm_test_secret"

func serve(t testing.TB) *contract {
	s := &contract{t: t, taken: map[string]bool{}, answers: map[string][]byte{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /base/messages/{$}", s.post)
	mux.HandleFunc("GET /base/messages/{$}", s.list)
	mux.HandleFunc("GET /base/messages/{id}/", s.one(func(map[string]any, *http.Request) string { return "" }))
	mux.HandleFunc("DELETE /base/messages/{id}/", s.one(func(m map[string]any, _ *http.Request) string {
		if m["state"] == "sent" {
			return "The message is sent."
		}
		m["state"] = "cancelled"
		return ""
	}))
	mux.HandleFunc("PATCH /base/messages/{id}/", s.one(func(m map[string]any, r *http.Request) string {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		m["start_at"] = body["start_at"]
		return ""
	}))
	mux.HandleFunc("POST /base/messages/{id}/retry/", s.one(func(m map[string]any, _ *http.Request) string {
		if m["state"] != "failed" {
			return "The message has not failed."
		}
		m["state"] = "scheduled"
		return ""
	}))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// client gives a client of the server.
func (s *contract) client() *Client {
	s.t.Helper()
	c, err := New(Options{URL: s.URL + "/base", Key: testKey, Version: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

func (s *contract) post(w http.ResponseWriter, r *http.Request) {
	s.enter(1)
	defer s.enter(-1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	if got := r.Header.Get("X-Api-Key"); got != testKey {
		s.t.Errorf("the key is %q", got)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		s.t.Errorf("the content type is %q", got)
	}
	before, after := s.hooks()
	if before != nil && before(w, body) {
		return
	}
	status, answer := s.store(r.Header.Get("Idempotency-Key"), body)
	if after != nil && after(w, body) {
		return
	}
	s.answer(w, status, answer)
}

func (s *contract) hooks() (before, after func(http.ResponseWriter, []byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.before, s.after
}

// hook changes before and after while the server is in use.
func (s *contract) hook(before, after func(http.ResponseWriter, []byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func (s *contract) enter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += n
	s.top = max(s.top, s.now)
}

// store is a POST with all of its rules.
func (s *contract) store(key string, body []byte) (int, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, key)
	if answer := s.answers[key]; answer != nil {
		return http.StatusCreated, answer
	}
	var list []any
	if err := json.Unmarshal(body, &list); err != nil {
		return http.StatusBadRequest, []byte(`{"detail":"JSON parse error - it is none"}`)
	}
	s.sizes = append(s.sizes, len(list))
	errors, bad := make([]any, len(list)), false
	seen := map[string]bool{}
	for i, item := range list {
		errors[i] = judge(item)
		if fields, ok := errors[i].(map[string][]string); ok && len(fields) == 0 {
			unique := uniqueOf(item.(map[string]any))
			if s.taken[unique] || seen[unique] {
				errors[i] = map[string][]string{"non_field_errors": {"The fields user_id, messenger_id, text must make a unique set."}}
			}
			seen[unique] = true
		}
		if fields, ok := errors[i].(map[string][]string); !ok || len(fields) > 0 {
			bad = true
		}
	}
	if bad {
		return http.StatusBadRequest, encode(errors)
	}
	stored := make([]map[string]any, len(list))
	for i, item := range list {
		m := item.(map[string]any)
		s.taken[uniqueOf(m)] = true
		n, _ := strconv.Atoi(fmt.Sprint(m["messenger_id"]))
		kept := map[string]any{
			"id": len(s.messages) + 1, "user_id": m["user_id"], "messenger_id": n, "text": m["text"], "start_at": m["start_at"],
			"state": "scheduled", "attempts": 0, "sent_at": nil, "last_error": nil, "next_attempt_at": "2030-01-02T03:04:05.000001Z",
		}
		if at, ok := m["start_at"].(string); ok {
			kept["start_at"] = at + ":00Z"
		}
		s.messages = append(s.messages, kept)
		stored[i] = map[string]any{"id": kept["id"], "user_id": kept["user_id"]}
	}
	answer := encode(stored)
	s.answers[key] = answer
	return http.StatusCreated, answer
}

func judge(item any) any {
	m, ok := item.(map[string]any)
	if !ok {
		return map[string][]string{"non_field_errors": {"Invalid data. Expected a dictionary, but got int."}}
	}
	problems := map[string][]string{}
	for _, field := range []string{"user_id", "messenger_id", "text"} {
		switch value, there := m[field]; {
		case !there:
			problems[field] = []string{"This field is required."}
		case strings.TrimSpace(fmt.Sprint(value)) == "":
			problems[field] = []string{"This field may not be blank."}
		}
	}
	if at, there := m["start_at"]; there && at != nil {
		if _, err := time.Parse("2006-01-02T15:04", fmt.Sprint(at)); err != nil {
			problems["start_at"] = []string{"Datetime has wrong format."}
		}
	}
	return problems
}

func uniqueOf(m map[string]any) string {
	return fmt.Sprintf("%q %v %q", m["user_id"], m["messenger_id"], strings.TrimSpace(fmt.Sprint(m["text"])))
}

func (s *contract) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	after, _ := strconv.Atoi(q.Get("after"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	if limit == 0 {
		limit = 100
	}
	page := []map[string]any{}
	for _, m := range s.messages[min(after, len(s.messages)):] {
		if u := q.Get("user_id"); u != "" && u != m["user_id"] {
			continue
		}
		if len(page) == limit {
			w.Header().Set("Link", fmt.Sprintf(`<%s?after=%v>; rel="next"`, s.URL, page[len(page)-1]["id"]))
			break
		}
		page = append(page, m)
	}
	s.answer(w, http.StatusOK, encode(page))
}

func (s *contract) one(change func(map[string]any, *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id, _ := strconv.Atoi(r.PathValue("id"))
		if id < 1 || id > len(s.messages) {
			s.answer(w, http.StatusNotFound, []byte(`{"detail":"Not found."}`))
			return
		}
		m := s.messages[id-1]
		if refused := change(m, r); refused != "" {
			s.answer(w, http.StatusConflict, encode(map[string]string{"detail": refused}))
			return
		}
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		s.answer(w, http.StatusOK, encode(m))
	}
}

func (s *contract) answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is of maps, numbers and texts
	}
	return b
}

// texts are the texts of what is stored.
func (s *contract) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.messages {
		all = append(all, fmt.Sprint(m["text"]))
	}
	slices.Sort(all)
	return all
}

// drop ends the connection without an answer.
func drop(w http.ResponseWriter, _ []byte) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
	return true
}
