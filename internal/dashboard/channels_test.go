package dashboard

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/endpoint"
	"ferryman/internal/outbox"
)

func TestChannelsSayHowTheyStand(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d, func(o *Options) { o.Missing = map[string][]string{"viber": {"VIBER_TOKEN"}} })
		rest := time.Now().Add(time.Hour)
		s.write("INSERT INTO channels (name, configured, held_until) VALUES ('telegram', TRUE, $1), ('contacts/c', TRUE, NULL)", rest.UnixMicro())
		s.write("INSERT INTO channel_totals (channel, sender_id, sent, failed, retried) VALUES ('telegram', 1, 12345, 6, 7)")
		s.write("INSERT INTO channel_hours (at, channel, sender_id, sent, failed, retried, uncertain, expired) VALUES ($1, 'telegram', 1, 40, 2, 1, 0, 0)",
			time.Now().UTC().Truncate(time.Hour).UnixMicro())
		id := s.deliver(outbox.Item{Channel: "telegram"})[0]
		s.fails("<403>", id)
		page := s.page(Root + "channels")
		s.shows(page, "VIBER_TOKEN", "not set up", "resting", "12\u202f345", "&lt;403&gt;: no", "!<403>", "contacts/c", deliveryPath(id), "No webhook is registered")
		one := s.page(Root + "channels/telegram")
		s.shows(one, "resting", "40", `class="chart hours"`, "Show as table", "All its deliveries", "Replay dead letters")
		s.shows(s.page(Root+"channels/contacts/c"), "contacts/c", "!Send a test")
		s.shows(s.page(Root+"outbox"), "resting", "1.7") // 40 in 24 hours
		if status, _ := s.get(Root + "channels/pigeon"); status != http.StatusNotFound {
			t.Errorf("a channel that is none: %d", status)
		}
	})
}

// A delivery that failed for good is a dead letter everywhere; an attempt just failed.
func TestDeadLettersHaveOneName(t *testing.T) {
	t.Parallel()
	if dead, attempt := markOf(outbox.Failed), markOf(outbox.Rejected); dead.Word != "dead letter" || attempt.Word != "failed" || dead.Class != attempt.Class {
		t.Errorf("%+v and %+v", dead, attempt)
	}
}

func TestFewAnHourAreTold(t *testing.T) {
	t.Parallel()
	for sent, want := range map[int64]string{0: "0", 1: "0.042", 3: "0.12", 24: "1", 40: "1.7", 239: "10", 252: "11", 24_000_000: "1\u202f000\u202f000"} {
		c := channelRow{Day: outbox.Totals{Sent: sent}}
		if got := c.PerHour(); got != want {
			t.Errorf("%d in a day are %q an hour, and not %q", sent, got, want)
		}
	}
}

func TestChannelsArePausedAndResumed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, page := s.post(Root+"channels", Root+"channels/pause", "channel", "telegram", "reason", "<holidays>")
	s.shows(page, "telegram is paused", "by a person", "&lt;holidays&gt;", "!<holidays>", "Undo")
	_, page = s.post(Root+"channels/telegram", Root+"channels/resume", "channel", "telegram")
	s.shows(page, "telegram sends again", "channel.pause", "&lt;holidays&gt;")
	_, page = s.post(Root+"channels", Root+"channels/pause", "channel", "pigeon")
	s.shows(page, "There is no such channel")
	_, page = s.post(Root+"channels", Root+"channels/pause", "channel", "viber", "reason", "two\nlines")
	s.shows(page, "must be one line")
	if want := []string{"channel.resume channel telegram", "channel.pause channel telegram"}; !slices.Equal(s.noted(), want) {
		t.Errorf("noted: %q", s.noted())
	}
}

// However many channels there are, pages show the first and name the others.
func TestManyChannels(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const more = 3
	for i := range channelsShown - len(messengers()) + more {
		if err := s.outbox.Pause(t.Context(), fmt.Sprintf("contacts/%03d", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	last := fmt.Sprintf("contacts/%03d", channelsShown-len(messengers())+more-1)
	for _, path := range []string{"outbox", "channels"} {
		s.shows(s.page(Root+path), fmt.Sprintf("%d further channels", more), `data-href="/ui/channels/contacts/046"`,
			`!data-href="/ui/channels/`+last, `<a href="/ui/channels/`+last)
	}
	_, page := s.post(Root+"channels", Root+"channels/resume", "channel", last)
	s.shows(page, last+" sends again")
}

func TestChannelsAreTested(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.webhooks.Add(t.Context(), endpoint.Webhook{Name: "pager", URL: address(t, "https://example.com/hook")}); err != nil {
		t.Fatal(err)
	}
	_, page := s.post(Root+"channels", Root+"channels/test", "channel", "telegram", "to", "4711")
	s.shows(page, "Delivery 1", "This is a test of Ferryman", "not set up", "expires in ten minutes")
	_, page = s.post(Root+"channels", Root+"channels/test", "channel", "webhook/pager")
	s.shows(page, "Delivery 2", "alert.test")
	_, page = s.post(Root+"channels", Root+"channels/test", "channel", "telegram")
	s.shows(page, "The recipient is missing")
	s.write("INSERT INTO channels (name) VALUES ('webhook/gone'), ('contacts/c')")
	_, page = s.post(Root+"channels", Root+"channels/test", "channel", "webhook/gone")
	s.shows(page, "There is no such webhook")
	_, page = s.post(Root+"channels", Root+"channels/test", "channel", "contacts/c", "to", "x")
	s.shows(page, "is no channel")
	if want := []string{"channel.test channel webhook/pager", "channel.test channel telegram"}; !slices.Equal(s.noted(), want) {
		t.Errorf("noted: %q", s.noted())
	}
}

func address(t *testing.T, text string) endpoint.Address {
	t.Helper()
	a, err := endpoint.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var shownSecret = regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)

func TestWebhooksAreKept(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		get := func() endpoint.Webhook {
			w, err := s.webhooks.Get(t.Context(), "pager")
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		_, page := s.post(Root+"channels", Root+"webhooks/new", "name", "pager", "url", "https://example.com/hook/token123", "profile", "seed", "rate", "3/s", "signed", "1")
		w := get()
		if told := shownSecret.FindString(strings.ReplaceAll(page, "&#43;", "+")); told != w.Secret.Reveal() || w.Rate != "3/s burst 6" || w.Profile != endpoint.Seed {
			t.Errorf("%q is shown of %+v", told, w)
		}
		at := Root + "channels/webhook/pager"
		s.shows(s.page(at), "https://example.com/***", "!token123", "!whsec_", "signed", "seed", "3/s burst 6", "webhook.add")
		s.shows(s.page(Root+"channels"), "https://example.com/***", "!token123", "!whsec_")

		_, page = s.post(at, Root+"webhooks/pager/edit", "url", "", "profile", "standard", "rate", "none")
		s.shows(page, "is changed")
		if n := get(); n.URL != w.URL || n.Profile != endpoint.Standard || n.Rate != "none" || n.Secret != w.Secret {
			t.Errorf("it became %+v", n)
		}
		_, page = s.post(at, Root+"webhooks/pager/rotate")
		if told := shownSecret.FindString(strings.ReplaceAll(page, "&#43;", "+")); told != get().Secret.Reveal() || get().OldSecret != w.Secret {
			t.Errorf("%q is shown of the rotation", told)
		}
		s.shows(page, "older secret as well")
		s.shows(s.page(at), "signed with two secrets", "Finish the rotation")
		_, page = s.post(at, Root+"webhooks/pager/rotate")
		s.shows(page, "A rotation is under way")
		_, page = s.post(at, Root+"webhooks/pager/finish")
		s.shows(page, "signs no more")
		if !get().OldSecret.Empty() {
			t.Error("the rotation is not finished")
		}
		for _, wrong := range [][]string{{"name", "Pager"}, {"url", "ftp://x"}, {"rate", "fast"}, {"profile", "odd"}, {"name", "pager"}} {
			fields := map[string]string{"name": "other", "url": "https://example.com/", "rate": "", "profile": "", wrong[0]: wrong[1]}
			var pairs []string
			for name, value := range fields {
				pairs = append(pairs, name, value)
			}
			if _, page = s.post(Root+"channels", Root+"webhooks/new", pairs...); !strings.Contains(page, `class="flash bad"`) {
				t.Errorf("%v is taken", wrong)
			}
		}
		_, page = s.post(at, Root+"webhooks/pager/remove")
		s.shows(page, "is removed", "<h1>Channels</h1>")
		want := []string{"webhook.remove webhook pager", "webhook.finish webhook pager", "webhook.rotate webhook pager", "webhook.edit webhook pager", "webhook.add webhook pager"}
		if got := s.noted(); !slices.Equal(got, want) {
			t.Errorf("noted: %q", got)
		}
		entries, err := s.audit.List(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.Contains(e.Detail, "token123") || strings.Contains(e.Detail, "whsec_") {
				t.Errorf("the record tells a secret: %q", e.Detail)
			}
		}
	})
}

func TestWebhooksOfAnotherSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other, err := endpoint.Open(s.db, []byte("quite another secret of characters"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Add(t.Context(), endpoint.Webhook{Name: "pager", URL: address(t, "https://example.com/hook")}); err != nil {
		t.Fatal(err)
	}
	s.write("INSERT INTO channels (name, configured) VALUES ('webhook/pager', FALSE)")
	s.shows(s.page(Root+"channels"), "FERRYMAN_SECRET", "cannot be read")
	s.shows(s.page(Root+"channels/webhook/pager"), "cannot be read", "Remove")
	_, page := s.post(Root+"channels/webhook/pager", Root+"webhooks/pager/remove")
	s.shows(page, "is removed")
}
