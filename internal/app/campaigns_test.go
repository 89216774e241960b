package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
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
