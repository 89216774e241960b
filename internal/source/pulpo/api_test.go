package pulpo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	mePath         = "/api/v1/iam/users/me"
	warehousesPath = "/api/v1/iam/users/4071/warehouses"
	authPath       = "/api/v1/auth"
)

// api is a WMS that issues numbered tokens and takes only the last one.
type api struct {
	*httptest.Server

	mu       sync.Mutex
	issued   int
	valid    string // the token that is taken; "" takes any
	lifetime any    // expires_in of tokens
	seen     []string
	instead  map[string]http.HandlerFunc // a path: what answers there instead
}

func newAPI(t testing.TB) *api {
	t.Helper()
	a := &api{lifetime: 3600, instead: map[string]http.HandlerFunc{}}
	a.Server = httptest.NewUnstartedServer(a)
	a.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.Start()
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r.Method+" "+r.URL.Path)
	instead := a.instead[r.URL.Path]
	valid := a.valid == "" || r.Header.Get("Authorization") == "Bearer "+a.valid
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case instead != nil:
		instead(w, r)
	case r.URL.Path == authPath:
		a.issue(w)
	case !valid:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == mePath:
		serve(w, "testdata/users_me.json")
	case r.URL.Path == warehousesPath:
		serve(w, "testdata/users_4071_warehouses.json")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (a *api) issue(w io.Writer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.issued++
	a.valid = fmt.Sprintf("issued-%d", a.issued)
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": a.valid, "expires_in": a.lifetime, "token_type": "bearer", "scope": "default"})
}

// answer has a path answered otherwise; nil ends that.
func (a *api) answer(path string, h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instead[path] = h
}

// revoke ends every token issued so far.
func (a *api) revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.valid = "none"
}

// requests gives the requests since the last call.
func (a *api) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

func serve(w io.Writer, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// source makes a source for a; c needs no address.
func (a *api) source(t testing.TB, c Config) *Source {
	t.Helper()
	c.BaseURL = a.URL + "/api/v1"
	return newSource(t, c)
}

// newSource fills in what the settings always give.
func newSource(t testing.TB, c Config) *Source {
	t.Helper()
	if c.RetryInterval == 0 {
		c.RetryInterval = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// read reads the one batch of s.
func read(t testing.TB, s *Source) (pipeline.Batch, error) {
	t.Helper()
	var batch pipeline.Batch
	var failed error
	n := 0
	for b, err := range s.Read(t.Context(), "") {
		batch, failed = b, err
		n++
	}
	if n != 1 {
		t.Fatalf("%d batches", n)
	}
	return batch, failed
}

func faultOf(t testing.TB, err error) *fault.Error {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("not a classified error: %v", err)
	}
	return f
}
