package alert_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/alert"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// wantOnce checks that of n events of each cron every webhook was told once, in
// the order of the events.
func (w *world) wantOnce(t *testing.T, webhooks []string, crons []ledger.Cron, n int) {
	t.Helper()
	told := map[string][]string{}
	for _, row := range w.deliveries(t) {
		told[row.Recipient+" "+row.OrderKey] = append(told[row.Recipient+" "+row.OrderKey], row.Payload)
	}
	for _, webhook := range webhooks {
		for _, cron := range crons {
			got := told[fmt.Sprintf("%s alert cron %d", webhook, cron.ID)]
			if len(got) != n || !slices.IsSortedFunc(got, func(a, b string) int { return cmp.Compare(eventOf(t, a), eventOf(t, b)) }) {
				t.Errorf("%s was told of cron %d %d times, want %d in their order", webhook, cron.ID, len(got), n)
			}
		}
	}
}

func eventOf(t *testing.T, payload string) int64 {
	t.Helper()
	var body struct {
		Data struct {
			ID int64 `json:"event_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(payload), &body); err != nil {
		t.Fatal(err)
	}
	return body.Data.ID
}

// Several nodes tell at the same time, while things happen and transactions are
// called off at any moment.
func TestEachEventIsToldOnceByManyNodesThatAreCutOff(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		w := newWorld(t, dbtest.Open(t, url, db.Options{Synchronous: "NORMAL"}), &clock{})
		tellers := []*alert.Alerts{w.Alerts, w.Alerts}
		if w.db.Dialect() == db.Postgres {
			d := dbtest.Open(t, url, db.Options{})
			tellers = append(tellers, alert.New(d, ledger.New(d), outbox.New(d, outbox.Options{})))
		}
		webhooks := []string{"one", "two"}
		for _, name := range webhooks {
			w.add(t, alert.Recipient{Channel: "webhook/" + name})
		}
		var crons []ledger.Cron
		for i := range 3 {
			crons = append(crons, w.addCron(t, w.shop, fmt.Sprintf("cron-%d", i), nil))
		}
		happening, over := context.WithCancel(t.Context())
		var nodes sync.WaitGroup
		for _, a := range tellers {
			nodes.Go(func() {
				for happening.Err() == nil {
					ctx, cancel := context.WithTimeout(context.WithoutCancel(happening), time.Duration(rand.Int64N(int64(5*time.Millisecond))))
					_ = a.Tell(ctx) // cut off or not
					cancel()
				}
			})
		}
		const n = 25
		for i := range n {
			for _, cron := range crons {
				w.happen(t, cron, ledger.EventMissed, i+1)
			}
		}
		over()
		nodes.Wait()
		// Until the server has noticed that the last one was cut off, that one is still
		// taken to be telling.
		testwait.Until(t, "all is told", func() bool {
			w.tell(t)
			news, err := w.ledger.HasNews(t.Context())
			return err == nil && !news
		})
		w.wantOnce(t, webhooks, crons, n)
	})
}

// What was told is known by what happened, even if it is taken for news again.
func TestWhatWasToldIsNotToldAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1", alert.Kinds()...)
		w.chat(t, "many", ledger.EventMissed)
		w.add(t, alert.Recipient{Channel: "webhook/pager", Kinds: alert.Kinds()})
		cron := w.addCron(t, w.shop, "import", func(s *ledger.Settings) { s.FailAfter, s.EachFailure, s.EachSuccess = 2, true, true })
		for _, success := range []bool{false, false, true, true} {
			w.ran(t, "import", success, "")
		}
		w.tell(t)
		for i := range 21 {
			w.happen(t, cron, ledger.EventMissed, i)
		}
		w.tell(t)
		before := len(w.deliveries(t))
		if before != 5+1+1+5+21 {
			t.Errorf("%d deliveries", before)
		}
		for _, which := range []string{"kind <> 'missed'", "kind = 'missed'"} {
			w.exec(t, "UPDATE events SET alerted_at = NULL WHERE "+which)
			w.tell(t)
		}
		if after := len(w.deliveries(t)); after != before {
			t.Errorf("%d deliveries, and when it is news again %d", before, after)
		}
	})
}

// Whatever happens and whoever comes and goes: an event is told to those who want
// it when it is told, and once.
func TestTheModelOfAlerts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		apps := []string{"shop", "bank"}
		crons := []ledger.Cron{w.addCron(t, w.shop, "cron", nil), w.addCron(t, w.addApp(t, "bank"), "cron", nil)}
		troubles := []ledger.EventKind{ledger.EventMissed, ledger.EventOverdue, ledger.EventFailing, ledger.EventFailed, ledger.EventSucceeded}
		type happened struct {
			app  string
			kind ledger.EventKind
		}
		serial := 0
		for _, name := range []string{"a", "b", "c"} {
			w.webhook(t, name)
		}
		rapid.Check(t, func(rt *rapid.T) {
			w.exec(t, "DELETE FROM alert_recipients")
			w.exec(t, "DELETE FROM deliveries")
			var recipients []alert.Recipient
			var news []happened
			want, got := map[string]int{}, map[string]int{} // events by address
			for range rapid.IntRange(1, 10).Draw(rt, "steps") {
				switch rapid.SampledFrom([]string{"add", "remove", "happen", "happen", "tell"}).Draw(rt, "step") {
				case "add":
					r := alert.Recipient{
						Channel: "webhook/" + rapid.StringMatching("[a-c]").Draw(rt, "name"),
						App:     rapid.SampledFrom([]string{"", "shop", "bank"}).Draw(rt, "app"),
						Kinds:   rapid.SliceOfNDistinct(rapid.SampledFrom(troubles), 1, 3, rapid.ID).Draw(rt, "kinds"),
					}
					added, err := w.Add(t.Context(), r)
					if err == nil {
						recipients = append(recipients, added)
					} else if !errors.Is(err, alert.ErrExists) {
						rt.Fatal(err)
					}
				case "remove":
					if len(recipients) > 0 {
						i := rapid.IntRange(0, len(recipients)-1).Draw(rt, "which")
						if err := w.Remove(t.Context(), recipients[i].ID); err != nil {
							rt.Fatal(err)
						}
						recipients = slices.Delete(recipients, i, i+1)
					}
				case "happen":
					cron := rapid.IntRange(0, 1).Draw(rt, "cron")
					kind := rapid.SampledFrom(troubles).Draw(rt, "kind")
					serial++
					w.happen(t, crons[cron], kind, serial)
					news = append(news, happened{apps[cron], kind})
				case "tell":
					w.tell(t)
					for _, n := range news {
						addresses := map[string]bool{}
						for _, r := range recipients {
							if (r.App == "" || r.App == n.app) && slices.Contains(r.Kinds, n.kind) {
								addresses[r.Address] = true
							}
						}
						for address := range addresses {
							want[address]++
						}
					}
					news = nil
				}
			}
			for _, row := range w.deliveries(t) {
				got[row.Recipient]++
			}
			if !maps.Equal(got, want) {
				rt.Fatalf("told %v, want %v", got, want)
			}
			w.exec(t, "UPDATE events SET alerted_at = at WHERE alerted_at IS NULL")
		})
	})
}
