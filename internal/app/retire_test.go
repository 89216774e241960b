package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// A campaign that is taken out of the file is not waited for, until it is back.
func TestServerRetiresCampaigns(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer service.Close()
	o, r := poster(t, service.URL)
	r.Campaign.Every = time.Minute
	o.Config.Server.Listen = "127.0.0.1:0"
	crons := ledger.New(dbtest.Open(t, o.Config.Store.URL.Reveal(), db.Options{}))
	for i, campaigns := range [][]config.Campaign{{r.Campaign}, nil, {r.Campaign}} {
		o.Config.Campaigns = campaigns
		s, err := NewServer(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		if err := s.Run(ctx, stop); err != nil {
			t.Fatal(err)
		}
		all, err := crons.Crons(t.Context(), ledger.CronFilter{Kind: ledger.Sync, Search: "contacts-c", Limit: 10})
		if err != nil || len(all) != 1 {
			t.Fatalf("%d crons, %v", len(all), err)
		}
		if waits, want := !all[0].ExpectedAt.IsZero(), len(campaigns) > 0; waits != want || (all[0].Schedule != "") != want {
			t.Errorf("start %d: waited for %t with the schedule %q, want %t", i, waits, all[0].Schedule, want)
		}
	}
}
