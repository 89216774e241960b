package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
)

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// What a server tells Prometheus is named as Prometheus wants it, and tells of what the
// store holds from before.
func TestMetricsOfServer(t *testing.T) {
	url := config.SQLiteURL(filepath.Join(t.TempDir(), "store.db"))
	o := options(t, url, "FERRYMAN_LISTEN=127.0.0.1:0", "API_TOKEN=t", "TELEGRAM_TOKEN=1:t")
	first, err := NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	all, err := first.ledger.Crons(t.Context(), ledger.CronFilter{Kind: ledger.Sync, Limit: 10})
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	e, _, err := first.ledger.StartOwn(t.Context(), all[0].ID, ledger.Start{Trigger: ledger.CLI, Holder: "h", Request: "r", Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	err = first.db.Tx(t.Context(), func(tx *db.Tx) error {
		return first.ledger.End(t.Context(), tx, e.ID, ledger.Outcome{Status: ledger.Success})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	scrape(t, s.handler) // so that calls have been answered, too
	text := scrape(t, s.handler)
	for _, want := range []string{
		"ferryman_store_up 1\n", `ferryman_crons{state="ok"} 1`, `ferryman_crons{state="failing"} 0`, `ferryman_nodes{state="silent"} 0`,
		`ferryman_sync_last_success_timestamp_seconds{sync="warehouses"} 1.`, `ferryman_build_info{goversion="go`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %s\n%s", want, text)
		}
	}
	lint(t, text)
}

// lint looks whether metrics are as the conventions of Prometheus have them.
func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestStandingIsRead(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	dbtest.Run(t, db.Options{Clock: func() time.Time { return now }}, func(t *testing.T, d *db.DB) {
		box, l, book := outbox.New(d, outbox.Options{}), ledger.New(d), node.New(d, nil)
		later := now.Add(time.Hour)
		add(t, d, box, outbox.Item{Channel: "a"}, outbox.Item{Channel: "a", StartAt: &later},
			outbox.Item{Channel: "a", OrderKey: "k"}, outbox.Item{Channel: "a", OrderKey: "k"}, outbox.Item{Channel: "b", StartAt: &later})
		if err := box.Pause(t.Context(), "b", "by hand"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(30 * time.Second)
		text := gathered(t, func(ctx context.Context) (standing, error) { return readStanding(ctx, d, box, l, book) })
		for _, want := range []string{
			`ferryman_outbox_deliveries{channel="a",state="due"} 2`, `ferryman_outbox_deliveries{channel="a",state="waiting"} 2`,
			`ferryman_outbox_deliveries{channel="b",state="due"} 0`, `ferryman_outbox_deliveries{channel="b",state="waiting"} 1`,
			`ferryman_outbox_oldest_due_seconds{channel="a"} 30`, `ferryman_outbox_oldest_due_seconds{channel="b"} 0`,
			`ferryman_outbox_channel_paused{channel="a"} 0`, `ferryman_outbox_channel_paused{channel="b"} 1`,
			`ferryman_nodes{state="working"} 0`, "ferryman_store_up 1",
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("it lacks %s\n%s", want, text)
			}
		}
		lint(t, text)
	})
}

// gathered is what the metrics of a store tell, as text.
func gathered(t *testing.T, read func(context.Context) (standing, error)) string {
	t.Helper()
	r := prometheus.NewRegistry()
	newStoreMetrics(r, read)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

func add(t *testing.T, d *db.DB, box *outbox.Outbox, items ...outbox.Item) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, _, err := box.Add(t.Context(), tx, items, outbox.Refuse)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A scrape after another tells what was read beside them; nobody reads for nobody.
func TestScrapesWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read atomic.Int64
		r := prometheus.NewRegistry()
		m := newStoreMetrics(r, func(context.Context) (standing, error) {
			read.Add(1)
			return standing{}, nil
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			m.run(ctx)
		}()
		after := func(wait time.Duration, scrapes bool, want int64) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			before := read.Load()
			if scrapes {
				if _, err := r.Gather(); err != nil {
					t.Error(err)
				}
			}
			if n := read.Load(); n != want {
				t.Errorf("after %v it was read %d times, %d before, want %d", wait, n, before, want)
			}
		}
		after(time.Hour, false, 0)
		after(time.Second, true, 1)
		after(9*time.Second, false, 2)
		after(time.Second, true, 2)
		after(standingWanted+time.Hour, false, 2+int64(standingWanted/standingEvery))
		after(time.Second, true, 3+int64(standingWanted/standingEvery))
		stop()
		<-ended
	})
}

// A store that answers and is too slow to be counted is not away.
func TestStoreIsSlow(t *testing.T) {
	text := gathered(t, func(context.Context) (standing, error) { return standing{up: true}, context.DeadlineExceeded })
	if !strings.Contains(text, "ferryman_store_up 1\n") || strings.Contains(text, "ferryman_crons") {
		t.Error(text)
	}
}

// A store that is away is asked once, and nothing that was read before is told.
func TestStoreIsAway(t *testing.T) {
	asked := 0
	r := prometheus.NewRegistry()
	newStoreMetrics(r, func(ctx context.Context) (standing, error) {
		asked++
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("it would be waited for without end")
		}
		return standing{crons: map[ledger.State]int64{ledger.StateOK: 7}}, errors.New("it is away")
	})
	for range 3 {
		families, err := r.Gather()
		if err != nil || len(families) != 1 || families[0].GetName() != "ferryman_store_up" || families[0].GetMetric()[0].GetGauge().GetValue() != 0 {
			t.Errorf("%v, %v", families, err)
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
}
