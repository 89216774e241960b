package app

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"ferryman/internal/config"
	"ferryman/internal/dashboard"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/testwait"
)

const verifiedSync = "contacts-c" // of the sync

// verifierOf is that of a server with a campaign.
func verifierOf(t *testing.T, o Options, c config.Campaign) (*verifier, *ledger.Ledger) {
	t.Helper()
	store, _, err := OpenStore(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	contact, err := openContacts(o, store, nil, c, contactOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = contact.close() })
	v := newVerifier(o, store, []*contactSync{contact})
	t.Cleanup(v.close)
	return v, ledger.New(store)
}

// did begins a verification or repair, and gives what came of it.
func (v *verifier) did(t *testing.T, repair bool) dashboard.Verification {
	t.Helper()
	before := v.Pulse()
	if err := v.Begin(verifiedSync, repair); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the verification ends", func() bool { return !v.Last(verifiedSync).Ended.IsZero() })
	if v.Pulse() == before {
		t.Error("the pulse stands still")
	}
	return *v.Last(verifiedSync)
}

func TestVerifierOfAServer(t *testing.T) {
	eachDatabase(t, func(t *testing.T, o Options, c config.Campaign) {
		synced(t, o, ContactsRun{Campaign: c})
		v, l := verifierOf(t, o, c)
		if !v.Can(verifiedSync) || v.Can("warehouses") || v.Last(verifiedSync) != nil {
			t.Fatal("it can do other things than it should")
		}
		if got := v.did(t, false); got.Failure != "" || got.Differ() != 0 || got.Listed == 0 || got.CanRepair() {
			t.Errorf("got %+v", got)
		}
		stray(t, c, "test")
		looked := v.did(t, false)
		if looked.Failure != "" || looked.Differ() != 4 || len(looked.Differences) != 4 || looked.Differences[0].Kind != "extra" || !looked.CanRepair() {
			t.Errorf("got %+v", looked)
		}
		if got := v.did(t, true); got.Failure != "" || !got.Repair || got.Differ() != 4 || got.CanRepair() {
			t.Errorf("got %+v", got)
		}
		if got := v.did(t, false); got.Failure != "" || got.Differ() != 0 {
			t.Errorf("got %+v", got)
		}
		runs, _, err := l.Executions(t.Context(), ledger.ExecutionFilter{Limit: 10})
		if err != nil || len(runs) != 2 { // the first sync and the repair
			t.Errorf("%d runs, %v", len(runs), err)
		}
		if err := v.Begin("contacts-x", false); fault.KindOf(err) != fault.NotFound {
			t.Errorf("got %v", err)
		}
	})
}

// One goes on until it is called off, and none begins beside it or afterwards.
func TestVerifierIsCalledOff(t *testing.T) {
	o, c := held(t)
	v, _ := verifierOf(t, o, c)
	for _, stop := range []func(){func() { v.Stop(verifiedSync) }, v.close} {
		if err := v.Begin(verifiedSync, false); err != nil {
			t.Fatal(err)
		}
		if err := v.Begin(verifiedSync, false); fault.CodeOf(err) != "already_verifying" {
			t.Errorf("got %v", err)
		}
		stop()
		testwait.Until(t, "it ends", func() bool { return !v.Last(verifiedSync).Ended.IsZero() })
		if got := v.Last(verifiedSync); got.Failure != "it was called off" || got.CanRepair() {
			t.Errorf("got %+v", got)
		}
	}
	if err := v.Begin(verifiedSync, false); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
}

// What a driver says of hosts, users and databases is for the log.
func TestVerifierDoesNotQuoteDrivers(t *testing.T) {
	o, c := held(t)
	v, _ := verifierOf(t, o, c)
	now := &verifying{}
	v.running++
	v.finish(now, fmt.Errorf("verify: %w", &fault.Error{
		Kind: fault.Unavailable, Code: "db_unavailable", Detail: "the target cannot be reached", Hint: "look whether it runs",
		Err: errors.New("dial tcp 10.0.0.7: user=joe database=secret"),
	}))
	if got := now.seen.Failure; got != "the target cannot be reached; look whether it runs" {
		t.Errorf("it says %q", got)
	}
	v.running++
	v.finish(now, &fault.Error{Kind: fault.Unavailable, Code: "db_unavailable", Err: errors.New("user=joe")})
	if got := now.seen.Failure; got != "db unavailable" {
		t.Errorf("it says %q", got)
	}
}

// held is a campaign whose API does not answer before the test is over.
func held(t *testing.T) (Options, config.Campaign) {
	t.Helper()
	over := make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		close(over)
		api.Close()
	})
	c := config.NewCampaign()
	c.Name, c.ID, c.Mode, c.BaseURL, c.Token = "c", campaign.DefaultCampaign, config.ModeSync, api.URL, config.NewSecret("token")
	c.Target = config.NewSecret(config.SQLiteURL(filepath.Join(t.TempDir(), "target.db")))
	return options(t, config.SQLiteURL(filepath.Join(t.TempDir(), "store.db"))), c
}
