package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/sink/outboxsink"
	"ferryman/internal/syncs"
)

// poster is a campaign whose transactions go to a web service.
func poster(t *testing.T, url string) (Options, ContactsRun) {
	t.Helper()
	api, err := campaign.New(campaign.Options{Contacts: 20, Fields: 1, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(api)
	t.Cleanup(upstream.Close)
	c := config.NewCampaign()
	c.Name, c.ID, c.Mode, c.BaseURL, c.Token = "c", campaign.DefaultCampaign, config.ModeWebhook, upstream.URL, config.NewSecret(campaign.DefaultToken)
	c.Target, c.Rate, c.Every = config.NewSecret(url), 5000, 20*time.Millisecond
	c.Start, c.History = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), true
	return options(t, config.SQLiteURL(filepath.Join(t.TempDir(), "store.db"))), ContactsRun{Campaign: c}
}

// Of two processes that share a SQLite store one posts what both have found, and the
// other once that has ended.
func TestOneProcessPosts(t *testing.T) {
	var got atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer service.Close()
	o, r := poster(t, service.URL)
	first, err := startContacts(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { first.close() }()
	second, err := startContacts(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	defer second.close()
	if first.stopSending == nil || second.stopSending != nil {
		t.Fatalf("sending: %t and %t", first.stopSending != nil, second.stopSending != nil)
	}
	if run, err := second.run(t.Context()); err != nil || !run.OK() {
		t.Fatalf("%+v, %v", run, err)
	}
	if err := second.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	posted, err := second.posted(t.Context())
	if n := got.Load(); err != nil || n == 0 || n != posted.Totals.Sent {
		t.Errorf("%d posts came, %+v, %v", n, posted, err)
	}
	first.stopSending()
	first.stopSending = nil
	if err := second.send(t.Context()); err != nil || second.stopSending == nil {
		t.Errorf("it does not take over, %v", err)
	}
}

func TestARunThatEndsThoughItsServiceHasGone(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer service.Close()
	o, r := poster(t, service.URL+"/s3cret")
	for range 2 { // a start lifts the pause, and the service makes it anew
		run, err := SyncContacts(t.Context(), o, r)
		if !run.OK() || fault.CodeOf(err) != "webhook_paused" || !strings.Contains(fmt.Sprint(err), "410") || strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Fatalf("%+v, %v", run, err)
		}
	}
}

// Once too much waits, it is sent before more is read.
func TestARunThatFindsMoreThanMayWait(t *testing.T) {
	var got atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer service.Close()
	o, r := poster(t, service.URL)
	c, err := startContacts(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	full := &fillsUp{Sink: c.contact.sink}
	c.contact.sink = full
	if c.syncer, err = syncs.NewSet(c.db, c.ledger, nil, syncs.Options{}).Add(t.Context(), c.contact.sync()); err != nil {
		t.Fatal(err)
	}
	run, err := c.whole(t.Context())
	if err != nil || !run.OK() || full.refused != 1 || got.Load() == 0 {
		t.Errorf("%+v, %v: refused %d times, %d posts", run, err, full.refused, got.Load())
	}
}

// fillsUp refuses its second batch as if too much waited.
type fillsUp struct {
	pipeline.Sink
	batches, refused int
}

func (f *fillsUp) Write(ctx context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	if f.batches++; f.batches == 2 {
		f.refused++
		return nil, &fault.Error{Kind: fault.Unavailable, Code: outboxsink.Backlog}
	}
	return f.Sink.Write(ctx, b)
}

// What the store does not let begin comes again; what cannot get better ends it.
func TestFollow(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer service.Close()
	o, r := poster(t, service.URL)
	c, err := startContacts(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	final := &fault.Error{Kind: fault.Inactive, Detail: "switched off"}
	outcomes := []error{nil, &fault.Error{Kind: fault.Unavailable, Detail: "away"}, nil, final}
	cycles, told := 0, 0
	cycle := func(ctx context.Context) (syncs.Run, error) {
		err := outcomes[cycles]
		if cycles++; err != nil {
			return syncs.Run{}, err
		}
		return c.run(ctx)
	}
	if err := c.follow(t.Context(), cycle, func(syncs.Run) error { told++; return nil }); !errors.Is(err, final) || cycles != 4 || told != 2 {
		t.Errorf("%d cycles, %d told, %v", cycles, told, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := c.follow(ctx, c.run, func(syncs.Run) error { stop(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	broken := errors.New("the store has gone")
	c.sent <- broken
	c.r.Campaign.Every = time.Hour
	if err := c.follow(t.Context(), c.run, func(syncs.Run) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("when nothing is sent any more: %v", err)
	}
}

// What a web service refuses is known while it is refused, with the reason on one line.
func TestRefusalsAreObserved(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGone)
		_, _ = w.Write([]byte("moved\x1b[2J\n away"))
	}))
	defer service.Close()
	o, r := poster(t, service.URL)
	var seen ContactsProgress
	r.Observe = func(p ContactsProgress) { seen = p }
	if _, err := SyncContacts(t.Context(), o, r); fault.CodeOf(err) != "webhook_paused" {
		t.Fatal(err)
	}
	if seen.Refused == 0 || seen.Backlog == 0 || !strings.HasPrefix(seen.Refusal, "http_410") || !strings.Contains(seen.Paused, "410") || strings.ContainsAny(seen.Refusal+seen.Paused, "\x1b\n") {
		t.Errorf("seen %+v", seen)
	}
}
