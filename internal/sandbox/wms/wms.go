// Package wms simulates the warehouse management API that the warehouse sync
// reads: tokens, the current user and a user's warehouses, with made-up data in
// the shape of the real answers.
//
// It answers truthfully until told otherwise. Faults make it refuse, stall,
// truncate or lie; holds keep a request waiting until a test lets it go; the
// control API under /_sandbox/ does the same over HTTP, from loopback only. The
// package imports nothing of Ferryman, so that a shared bug cannot pass.
package wms

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"ferryman/internal/sandbox/faults"
)

// Defaults of Options.
const (
	DefaultBase       = "/api/v1"
	DefaultUsername   = "momoko.quay"
	DefaultPassword   = "open-sesame"
	DefaultExpiresIn  = time.Hour
	DefaultWarehouses = 5
)

// Options say what is simulated. The zero value is one user with five warehouses.
type Options struct {
	Base       string           // path prefix of the API; DefaultBase if empty
	Username   string           // of the first user; DefaultUsername if empty
	Password   string           // of every user; DefaultPassword if empty
	Users      int              // how many users there are; 1 if 0
	Warehouses int              // how many the first user has; DefaultWarehouses if 0, none if negative
	ExpiresIn  time.Duration    // life of a token, told in whole seconds; DefaultExpiresIn if 0
	Token      string           // a token of the first user that never expires; none if empty
	Faults     []Fault          // faults from the start
	Now        func() time.Time // the clock that tokens age by; time.Now if nil
}

// Server is the simulator. It is an http.Handler and safe for concurrent use.
type Server struct {
	base     string
	password string
	mux      *http.ServeMux
	tokens   tokens
	faults   *faults.List
	holds    holds

	mu       sync.Mutex
	data     *data
	requests map[string]int // by method and pattern
}

// New builds a simulator. It fails on options that make no sense, such as a
// fault without a status.
func New(o Options) (*Server, error) {
	base := o.Base
	if base == "" {
		base = DefaultBase
	}
	base = strings.TrimRight(base, "/")
	if base != "" && base[0] != '/' {
		return nil, fmt.Errorf("base %q does not begin with a slash", o.Base)
	}
	if o.Users < 0 || o.Users > maxUsers || o.Warehouses > maxWarehouses {
		return nil, fmt.Errorf("too much data: at most %d users and %d warehouses", maxUsers, maxWarehouses)
	}
	s := &Server{
		base:     base,
		password: cmp.Or(o.Password, DefaultPassword),
		mux:      http.NewServeMux(),
		data:     seed(cmp.Or(o.Username, DefaultUsername), max(o.Users, 1), cmp.Or(o.Warehouses, DefaultWarehouses)),
		requests: map[string]int{},
		faults:   faults.NewList(dialect(), time.Now),
	}
	s.tokens.init(o.Now, cmp.Or(o.ExpiresIn, DefaultExpiresIn))
	if o.Token != "" {
		s.tokens.keep(o.Token, firstUser)
	}
	for _, f := range o.Faults {
		if _, err := s.Inject(f); err != nil {
			return nil, err
		}
	}
	for _, r := range s.routes() {
		s.mux.HandleFunc(r.method+" "+base+r.pattern, s.serve(r))
	}
	s.control()
	return s, nil
}

// ServeHTTP answers a call of the API, or of the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.mux.ServeHTTP(w, r)
}

const maxBody = 1 << 20

// route is one call of the simulated API.
type route struct {
	method  string
	pattern string // below the base
	answer  func(*http.Request) reply
}

// reply is what the API says when nothing is wrong with it.
type reply struct {
	status int
	body   any
}

const (
	authPattern       = "/auth"
	mePattern         = "/iam/users/me"
	warehousesPattern = "/iam/users/{id}/warehouses"
)

func (s *Server) routes() []route {
	return []route{
		{"POST", authPattern, s.auth},
		{"GET", mePattern, s.bearer(s.me)},
		{"GET", warehousesPattern, s.bearer(s.userWarehouses)},
	}
}

func refusal(status int, message string) reply {
	return reply{status, map[string]any{"code": status, "message": message}}
}

func (s *Server) auth(r *http.Request) reply {
	var ask struct {
		GrantType string `json:"grant_type"`
		Username  string `json:"username"`
		Password  string `json:"password"`
		Scope     string `json:"scope"`
	}
	if err := readTypedJSON(r, &ask); err != nil {
		return refusal(http.StatusBadRequest, err.Error())
	}
	if ask.GrantType != "password" {
		return refusal(http.StatusBadRequest, "grant_type must be password")
	}
	s.mu.Lock()
	u := s.data.login(ask.Username)
	s.mu.Unlock()
	if u == nil || ask.Password != s.password {
		return refusal(http.StatusUnauthorized, "wrong username or password")
	}
	token, seconds, ok := s.tokens.issue(u.id)
	if !ok {
		return refusal(http.StatusTooManyRequests, "too many live tokens")
	}
	return reply{http.StatusOK, map[string]any{
		"access_token": token, "expires_in": seconds, "refresh_token": nil,
		"scope": cmp.Or(ask.Scope, "default"), "token_type": "Bearer",
	}}
}

// bearer lets a request through that shows a live token.
func (s *Server) bearer(next func(*http.Request, int64) reply) func(*http.Request) reply {
	return func(r *http.Request) reply {
		token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		user, live := s.tokens.user(token)
		if !found || !live {
			return refusal(http.StatusUnauthorized, "the access token is unknown or has expired")
		}
		return next(r, user)
	}
}

func (s *Server) me(_ *http.Request, id int64) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return reply{http.StatusOK, s.data.users[id].profile()}
}

func (s *Server) userWarehouses(r *http.Request, _ int64) reply {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.data.users[id]
	if err != nil || u == nil {
		return refusal(http.StatusNotFound, "no such user")
	}
	return reply{http.StatusOK, s.data.listing(u)}
}

// Requests counts the calls of a route so far, such as "POST /auth" or
// "GET /iam/users/{id}/warehouses".
func (s *Server) Requests(route string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[route]
}

// ExpireTokens makes every token that was issued so far invalid now.
func (s *Server) ExpireTokens() { s.tokens.expire() }

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "sandbox: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may be gone
}
