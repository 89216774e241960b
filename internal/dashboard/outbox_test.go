package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

// deliver stores deliveries and gives their ids.
func (s *site) deliver(items ...outbox.Item) (ids []int64) {
	s.t.Helper()
	err := s.db.Tx(s.t.Context(), func(tx *db.Tx) (err error) {
		ids, _, err = s.outbox.Add(s.t.Context(), tx, items, outbox.Refuse)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// write changes the store by hand.
func (s *site) write(query string, args ...any) {
	s.t.Helper()
	err := s.db.Tx(s.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(s.t.Context(), query, args...)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// fails makes dead letters of deliveries.
func (s *site) fails(code string, ids ...int64) {
	s.t.Helper()
	for _, id := range ids {
		s.write("UPDATE deliveries SET state = 4, attempts = 1, ended_at = $1, last_error = $2 WHERE id = $3",
			db.Time{Time: time.Now()}, code+": no", id)
	}
}

// state gives how a delivery stands.
func (s *site) state(id int64) outbox.State {
	s.t.Helper()
	r, err := s.outbox.Get(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.State
}

func deliveryPath(id int64) string { return Root + "outbox/" + strconv.FormatInt(id, 10) }

func TestOutboxTeachesWhileItIsEmpty(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.shows(s.page(Root+"outbox"), "Nothing was sent yet", "ferryman push send", "telegram", "not set up", "Nothing was sent.")
}

func TestOutboxListsAndFilters(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		ids := s.deliver(
			outbox.Item{Topic: outbox.Message, Channel: "telegram", Recipient: "anna", Payload: "first text"},
			outbox.Item{Topic: outbox.Alert, Channel: "webhook/pager", Recipient: "pager", Payload: `{"type":"alert"}`},
			outbox.Item{Topic: outbox.Contact, Channel: "contacts/c", Recipient: "77", Payload: `{"a":1}`, OrderKey: "77"},
			outbox.Item{Topic: outbox.Message, Channel: "viber", Recipient: "bob", Payload: "<script>alert(1)</script>\u202eevil"},
		)
		s.fails("401", ids[0])
		all := s.page(Root + "outbox")
		s.shows(all, "dead letter</span>", "!failed</span>", "first text", "alert(1)&lt;/script&gt;⟨U&#43;202E⟩evil", "!<script>alert(1)", "webhook/pager", "contacts/c", "401: no", `class="chart histogram"`)
		if strings.Index(all, "first text") < strings.Index(all, "202E⟩evil") {
			t.Error("the newest is not the first")
		}
		for query, want := range map[string][]int64{
			"state=failed": {ids[0]}, "state=scheduled": {ids[3], ids[2], ids[1]}, "topic=alert": {ids[1]}, "topic=contact": {ids[2]},
			"channel=viber": {ids[3]}, "recipient=anna": {ids[0]}, "recipient=+anna+": {ids[0]}, "recipient=anna&state=sent": nil,
			"before=" + strconv.FormatInt(ids[1], 10): {ids[0]}, "channel=telegram&state=failed&topic=message&recipient=anna": {ids[0]},
		} {
			page := s.page(Root + "outbox?" + query)
			for _, id := range ids {
				link := fmt.Sprintf(`data-href="%s"`, deliveryPath(id))
				if strings.Contains(page, link) != slices.Contains(want, id) {
					t.Errorf("%s: delivery %d is shown: %v", query, id, !slices.Contains(want, id))
				}
			}
		}
		s.shows(s.page(Root+"outbox?channel=none"), "No delivery matches")
		for _, query := range []string{"state=lost", "topic=song", "before=x", "before=-1", "channel=%ff", "state=sent&state=failed"} {
			if status, page := s.get(Root + "outbox?" + query); status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", query, status, page)
			}
		}
	})
}

func TestOutboxPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	items := make([]outbox.Item, 120)
	for i := range items {
		items[i] = outbox.Item{Channel: "telegram", Recipient: "anna", Payload: fmt.Sprint("text ", i)}
	}
	s.deliver(items...)
	path, seen := Root+"outbox?topic=message", 0
	for pages := 0; path != ""; pages++ {
		page := s.page(path)
		seen += strings.Count(page, `data-href="/ui/outbox/`)
		_, rest, more := strings.Cut(page, `<p class="more"><a href="`)
		if pages > 3 || more != (pages < 2) {
			t.Fatalf("page %d leads on: %v", pages, more)
		}
		path, _, _ = strings.Cut(rest, `"`)
		path = strings.ReplaceAll(path, "&amp;", "&")
	}
	if seen != len(items) {
		t.Errorf("%d of %d were shown", seen, len(items))
	}
}

func TestOutboxBelongsToOperators(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.deliver(outbox.Item{Channel: "telegram", Recipient: "anna", Payload: "secret text"})[0]
	s.signIn("shop", apikey.Admin)
	for _, path := range []string{Root + "outbox", deliveryPath(id), deliveryPath(id) + "/payload", Root + "channels", Root + "channels/telegram"} {
		status, page := s.get(path)
		if status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
		s.shows(page, "!secret text")
	}
}

func TestReadersDoNotAct(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.deliver(outbox.Item{Channel: "telegram", Recipient: "anna", Payload: "text"})[0]
	s.signIn(apikey.BuiltIn, apikey.Read)
	s.shows(s.page(deliveryPath(id)), "!Send now", "!"+deliveryPath(id)+"/cancel")
	s.shows(s.page(Root+"channels"), "!channels/pause", "!Add a webhook")
	for _, path := range []string{deliveryPath(id) + "/cancel", Root + "outbox/replay", Root + "channels/pause", Root + "webhooks/new"} {
		if status, _ := s.post(Root+"outbox", path, "channel", "telegram"); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	if got := s.state(id); got != outbox.Waiting {
		t.Errorf("the delivery is %s", got)
	}
}

func TestDeliveryPage(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		start, expires := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		ids := s.deliver(
			outbox.Item{Topic: outbox.Contact, Channel: "contacts/c", Recipient: "<b>x</b>", Payload: `{"b":{"c":"</pre><script>"}}`, OrderKey: "k", StartAt: &start, ExpiresAt: &expires},
			outbox.Item{Topic: outbox.Contact, Channel: "contacts/c", Recipient: "y", Payload: "{}", OrderKey: "k"},
			outbox.Item{Topic: outbox.Message, Channel: "telegram", Recipient: "anna", Payload: strings.Repeat("long ", 4000)},
		)
		s.write(`INSERT INTO attempts (delivery_id, n, at, took, outcome, status, code, detail) VALUES
			($1, 1, 1700000000000000, 250000, 'uncertain', 0, 'timeout', 'no answer'), ($1, 2, 1700000001000000, 1000, 'retry', 503, 'http_503', '<i>busy</i>')`, ids[0])
		s.write("UPDATE deliveries SET attempts = 2, uncertain = 1 WHERE id = $1", ids[0])
		page := s.page(deliveryPath(ids[0]))
		s.shows(page, "scheduled", "uncertain", "FERRYMAN_UNCERTAIN", "503", "http_503", "&lt;i&gt;busy", "!<i>busy", "&lt;b&gt;x", "250 ms",
			"  &#34;b&#34;: {", "!</pre><script>", "Send now", "in 1 h", "contacts/c")
		s.shows(s.page(deliveryPath(ids[1])), "behind", deliveryPath(ids[0]))
		long := s.page(deliveryPath(ids[2]))
		s.shows(long, "This is the beginning", deliveryPath(ids[2])+"/payload")
		if n := strings.Count(long, "long "); n > payloadShown/5+1 || n < payloadShown/5-10 {
			t.Errorf("%d words of the payload are shown", n)
		}
		answer, err := s.client.Get(s.url + deliveryPath(ids[2]) + "/payload")
		if err != nil {
			t.Fatal(err)
		}
		if h := answer.Header; !strings.HasPrefix(h.Get("Content-Type"), "text/plain") || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
			t.Errorf("%v", h)
		}
		if _, body := s.read(answer); body != strings.Repeat("long ", 4000) {
			t.Errorf("%d bytes are downloaded", len(body))
		}
		for _, path := range []string{"0", "x", "99999", "01"} {
			if status, _ := s.get(Root + "outbox/" + path); status != http.StatusNotFound {
				t.Errorf("%s: %d", path, status)
			}
		}
	})
}

func TestDeliveryActions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	late := time.Now().Add(time.Hour)
	ids := s.deliver(outbox.Item{Channel: "telegram", StartAt: &late}, outbox.Item{Channel: "telegram"}, outbox.Item{Channel: "telegram"})
	s.fails("500", ids[1])
	at := deliveryPath(ids[0])

	_, page := s.post(at, at+"/move", "at", "2099-05-06T07:08")
	s.shows(page, "is to be sent at 6 May 2099 07:08", `value="2099-05-06T07:08"`)
	_, page = s.post(at, at+"/move", "at", "soon")
	s.shows(page, "no date and time")
	_, page = s.post(at, at+"/now")
	s.shows(page, "is due now")
	if r, err := s.outbox.Get(t.Context(), ids[0]); err != nil || r.DueAt.After(time.Now().Add(time.Minute)) || r.StartAt != nil {
		t.Errorf("%+v, %v", r, err)
	}
	_, page = s.post(at, at+"/cancel")
	s.shows(page, "is cancelled", "What was done", "delivery.cancel", "!Send now")
	_, page = s.post(at, at+"/now")
	s.shows(page, "cannot be moved")
	dead := deliveryPath(ids[1])
	_, page = s.post(dead, dead+"/retry")
	s.shows(page, "is due again")
	if got := []outbox.State{s.state(ids[0]), s.state(ids[1])}; !slices.Equal(got, []outbox.State{outbox.Cancelled, outbox.Waiting}) {
		t.Errorf("%v", got)
	}
	want := []string{"delivery.retry delivery 2", "delivery.cancel delivery 1", "delivery.now delivery 1", "delivery.move delivery 1"}
	if got := s.noted(); !slices.Equal(got, want) {
		t.Errorf("noted: %q, want %q", got, want)
	}
}

func TestMovedTimesAreTheViewers(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"2030-05-06T07:08": "2030-05-05T22:08:00Z", "2030-05-06T07:08:09": "2030-05-05T22:08:09Z", "": "", "1900-01-01T00:00": ""} {
		got, err := localTime(text, zone)
		if (err == nil) != (want != "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		var items []outbox.Item
		for range 4 {
			items = append(items, outbox.Item{Channel: "telegram"}, outbox.Item{Channel: "viber"})
		}
		ids := s.deliver(items...)
		s.fails("401", ids[:4]...)
		s.fails("500", ids[4:]...)
		s.shows(s.page(Root+"outbox"), "Replay all of telegram", "All dead letters of telegram, 4,")
		_, page := s.post(Root+"outbox", Root+"outbox/replay", "channel", "telegram", "code", "401")
		s.shows(page, "2 dead letters are due again.", "All dead letters of telegram, 2,")
		_, page = s.post(Root+"outbox", Root+"outbox/replay", "from", strconv.FormatInt(ids[5], 10), "to", strconv.FormatInt(ids[5], 10))
		s.shows(page, "One dead letter is due again.")
		_, page = s.post(Root+"outbox", Root+"outbox/replay", "code", "none")
		s.shows(page, "There is no dead letter like that")
		_, page = s.post(Root+"outbox", Root+"outbox/replay")
		s.shows(page, "not said which deliveries")
		_, page = s.post(Root+"outbox", Root+"outbox/replay", "from", "7", "to", "3")
		s.shows(page, "ends before it begins")
		_, page = s.post(Root+"outbox", Root+"outbox/replay", "from", "x")
		s.shows(page, "is no id")
		if got := s.noted(); len(got) != 3 || got[2] != "outbox.replay channel telegram" || got[0] != "outbox.replay outbox" {
			t.Errorf("noted: %q", got)
		}
	})
}

func TestWhatIsCountedToABoundSaysSo(t *testing.T) {
	t.Parallel()
	c := newChannelRow("telegram")
	c.load(outbox.Load{Due: []int64{outbox.MostCounted, 5, 0, 0, 0, 0}, Failed: 12})
	sum := newChannelRow("")
	sum.add(*c)
	sum.add(*c)
	for got, want := range map[string]string{
		c.Waiting.String(): "at least 20\u202f005", c.Overdue().String(): "at least 20\u202f000", c.Dead.String(): "12",
		sum.Waiting.String(): "at least 40\u202f010", sum.Dead.String(): "24",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestKeptValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, keptValues) // how long something takes counts
}

func keptValues(t *testing.T) {
	var k kept[int]
	n := 0
	find := func(ctx context.Context) (int, error) { n++; return n, ctx.Err() }
	for want := 1; want <= 3; want++ { // what costs little is not kept
		if got, err := k.get(t.Context(), find); got != want || err != nil {
			t.Fatalf("%d, %v, want %d", got, err, want)
		}
	}
	k.last.Store(&keptValue[int]{value: 99, at: time.Now(), took: time.Hour})
	if got, err := k.get(t.Context(), find); got != 99 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	// Others get the old one while somebody looks.
	k.last.Store(&keptValue[int]{value: 98, at: time.Now().Add(-24 * time.Hour), took: time.Hour})
	got, err := k.get(t.Context(), func(ctx context.Context) (int, error) {
		other, err := k.get(ctx, find)
		if other != 98 || err != nil {
			t.Errorf("meanwhile: %d, %v", other, err)
		}
		return 7, nil
	})
	if got != 7 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	broken := errors.New("broken")
	k.forget()
	if _, err := k.get(t.Context(), func(context.Context) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// A time that the clocks skip is refused, rather than taken for another.
func TestNoTimeThatTheClocksSkip(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if at, err := localTime("2030-03-31T02:30", zone); err == nil || !strings.Contains(err.Error(), "the clocks go from 02:00 to 03:00") {
		t.Errorf("%v, %v", at, err)
	}
	if at, err := localTime("2030-10-27 02:30", zone); err != nil || at.UTC().Hour() != 0 { // the earlier of the two
		t.Errorf("%v, %v", at, err)
	}
}
