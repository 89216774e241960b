package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testwait"
)

// While another process posts a campaign's transactions a server does not; it does
// once that has ended.
func TestServerPostsWhatNobodyElseDoes(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer service.Close()
	o, r := poster(t, service.URL)
	o.Config.Campaigns, o.Config.Server.Listen = []config.Campaign{r.Campaign}, "127.0.0.1:0"
	other := dbtest.Open(t, o.Config.Store.URL.Reveal(), db.Options{})
	release, ok, err := other.Take(channelOf(r.Campaign))
	if err != nil || !ok {
		t.Fatal(err)
	}
	s, err := NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if len(s.unposted) != 1 {
		t.Fatalf("%d campaigns are left to others", len(s.unposted))
	}
	release()
	s.postRest(t.Context())
	if _, ok, err := other.Take(channelOf(r.Campaign)); len(s.unposted) != 0 || ok || err != nil {
		t.Errorf("%d campaigns are left to others; taken by one: %t, %v", len(s.unposted), ok, err)
	}
	if err := s.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
		t.Fatal(err)
	}
	if _, ok, err := other.Take(channelOf(r.Campaign)); !ok || err != nil {
		t.Errorf("it is not let go, %v", err)
	}
}

// A server, too, goes on where the original client left off.
func TestServerResumes(t *testing.T) {
	var got atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer service.Close()
	o, r := poster(t, service.URL)
	left := map[string]time.Time{r.Campaign.Name: r.Campaign.Start}
	o.Resume = func(c config.Campaign) time.Time { return left[c.Name] }
	r.Campaign.Start, r.Campaign.History = time.Time{}, false
	o.Config.Campaigns, o.Config.Server.Listen = []config.Campaign{r.Campaign}, "127.0.0.1:0"
	s, err := NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, func() {}) }()
	testwait.Until(t, "a post", func() bool { return got.Load() > 0 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
