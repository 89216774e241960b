package witness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// doorsTo makes doors to one server.
func doorsTo(t *testing.T, handler http.HandlerFunc) *Doors {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	d := NewDoors()
	d.client.Timeout = 30 * time.Second // each call is to be made once
	t.Cleanup(d.Close)
	d.Open("one", server.URL)
	return d
}

func TestReporterWritesDownWhatIsAcknowledged(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	r := &Reporter{Name: "run", Doors: doorsTo(t, func(w http.ResponseWriter, req *http.Request) {
		switch n := calls.Add(1); {
		case n == 1:
			w.WriteHeader(http.StatusServiceUnavailable) // is tried again
		case strings.HasSuffix(req.URL.Path, "/end"):
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprint(w, `{"id":7}`)
		}
	})}
	r.report(t.Context(), "load", "first", true)
	if got, want := r.Runs()["first"], (Run{Request: "first", ID: 7, Messages: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if r.Calls() != 2 || calls.Load() != 3+tries || len(r.Problems()) != 0 {
		t.Errorf("%d of %d calls were acknowledged, with %q", r.Calls(), calls.Load(), r.Problems())
	}
}

func TestReporterComplainsOfRefusals(t *testing.T) {
	t.Parallel()
	r := &Reporter{Name: "run", Doors: doorsTo(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/message") {
			http.NotFound(w, req) // it has forgotten the start
			return
		}
		fmt.Fprint(w, `{"id":7}`)
	})}
	r.report(t.Context(), "load", "first", true)
	if p := r.Problems(); len(p) != 1 || !strings.Contains(p[0], "404") {
		t.Errorf("%q", p)
	}
}

func TestSenderWritesDownWhatIsAcknowledged(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	s := &Sender{Doors: doorsTo(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `[{"id":11},{"id":12}]`)
	})}
	s.post(t.Context())
	s.post(t.Context())
	got := s.Taken()
	if len(got) != 2 || got[3].ID != 11 || got[4].ID != 12 || !got[4].Due.After(got[3].Due) {
		t.Errorf("%+v", got)
	}
}

func TestReceiverTellsWhoSentWhat(t *testing.T) {
	t.Parallel()
	r := &Receiver{Pace: func() time.Duration { return 0 }}
	send := func(ctx context.Context, node string, recipient int) {
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/bot"+TokenOf(node)+"/sendMessage", strings.NewReader(fmt.Sprintf(`{"chat_id":%d,"text":"x"}`, recipient)))
		r.ServeHTTP(httptest.NewRecorder(), req)
	}
	send(t.Context(), "a", 1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r.Pace = func() time.Duration { return time.Hour }
	send(gone, "a", 2)
	fault := time.Now()
	if held := r.Held("a", fault); len(held) != 1 || held[0] != 2 {
		t.Errorf("a holds %v", held)
	}
	if !r.Last("b").IsZero() || !r.Last("a").Before(fault) {
		t.Errorf("a sent at %v, b at %v", r.Last("a"), r.Last("b"))
	}
	r.Pace = func() time.Duration { return 0 }
	send(t.Context(), "a", 2)
	if _, ok := r.Elsewhere(2, "a", fault); ok {
		t.Error("a is no other than a")
	}
	send(t.Context(), "b", 2)
	at, ok := r.Elsewhere(2, "a", fault)
	if !ok || !at.Equal(r.Last("b")) || len(r.Arrivals()[2]) != 3 || !r.Arrived(1) || r.Arrived(3) {
		t.Errorf("%v: %+v", at, r.Arrivals())
	}
}

func TestReceiverHurries(t *testing.T) {
	t.Parallel()
	r := &Receiver{Pace: func() time.Duration { return time.Hour }}
	answers := make(chan string, 2)
	send := func() {
		res := httptest.NewRecorder()
		r.ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/bot"+TokenOf("a")+"/sendMessage", strings.NewReader(`{"chat_id":1}`)))
		answers <- res.Body.String()
	}
	go send()
	for begun := time.Now(); !r.Arrived(1); <-time.After(time.Millisecond) {
		if time.Since(begun) > 30*time.Second {
			t.Fatal("nothing arrives")
		}
	}
	if len(answers) != 0 {
		t.Error("it is not held")
	}
	r.Hurry()
	r.Hurry()
	send() // later ones are not held either
	for i, a := range r.Arrivals()[1] {
		if got, want := <-answers, `"message_id":`; a.ID != int64(i+1) || !strings.Contains(got, want) {
			t.Errorf("%+v, answered with %s", a, got)
		}
	}
}

func TestUpstreamTellsWhatItHas(t *testing.T) {
	t.Parallel()
	u := NewUpstream(func() time.Duration { return 0 })
	before := u.Names()
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		u.Change(ctx, time.Millisecond, rand.New(rand.NewPCG(1, 2)))
	}()
	for begun := time.Now(); maps.Equal(u.Names(), before); {
		if time.Since(begun) > 30*time.Second {
			t.Fatal("nothing changes")
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	<-changed
	now := u.Names()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("/iam/users/%d/warehouses", userID), nil)
	req.Header.Set("Authorization", "Bearer a")
	res := httptest.NewRecorder()
	u.ServeHTTP(res, req)
	var answer struct {
		Warehouses []struct {
			ID   int
			Name string
		}
	}
	if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	different := false
	for _, w := range answer.Warehouses {
		if now[w.ID] != w.Name {
			t.Errorf("%+v, want %s", w, now[w.ID])
		}
		different = different || before[w.ID] != w.Name
	}
	if len(answer.Warehouses) != len(now) || !different {
		t.Errorf("%d warehouses, want %d, of which some have changed: %t", len(answer.Warehouses), len(now), different)
	}
	if _, ok := u.FirstElsewhere("b", time.Time{}); !ok {
		t.Error("nobody has looked")
	}
}
