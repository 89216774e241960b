package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ferryman/internal/outbox"
)

// What was typed comes back with a form that is refused, on the page that it is on,
// and that page's forms still lead back to it.
func TestRefusedFormsKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.post(Root+"channels", Root+"webhooks/new", "name", "pager", "url", "https://example.com/hook", "profile", "seed", "rate", "3/s")
	id := s.deliver(outbox.Item{Channel: "telegram", Recipient: "1"}, outbox.Item{Channel: "telegram", Recipient: "2"})
	s.fails("401", id[1])
	one := fmt.Sprintf("%soutbox/%d", Root, id[0])
	cron := cronAddress(s.cron("shop", "nightly"))
	long := strings.Repeat("a", maxReason+1)
	for _, test := range []struct {
		page, action string
		fields       []string
		shows        []string
	}{
		{
			Root + "channels", Root + "webhooks/new", []string{"name", `"><b>`, "url", "https://example.com/new", "profile", "seed", "rate", "4/s"},
			[]string{"<h1>Channels</h1>", `value="&#34;&gt;&lt;b&gt;"`, `value="https://example.com/new"`, "<option selected>seed", `value="4/s"`, `!name="signed" value="1" checked`},
		},
		{
			Root + "channels/webhook/pager", Root + "webhooks/pager/edit", []string{"url", "ftp://odd", "profile", "standard", "rate", "4/s"},
			[]string{"<h1>webhook/pager</h1>", `value="ftp://odd"`, "<option selected>standard", `value="4/s"`},
		},
		{Root + "applications", Root + "applications", []string{"name", "The Shop"}, []string{"<h1>Applications</h1>", `value="The Shop"`}},
		{
			Root + "applications?search=sho", Root + "applications", []string{"name", "The Shop"},
			[]string{`value="The Shop"`, `name="search" value="sho"`},
		},
		{
			Root + "applications/shop", Root + "applications/shop", []string{"scope", "read", "for", "90d", "until", "2020-01-01"},
			[]string{"<h1>shop</h1>", `<option value="read" selected>`, `<option value="90d" selected>`, `name="until" value="2020-01-01"`},
		},
		{
			cron, cron + "/pause", []string{"for", "date", "until", "2020-01-02T03:04"},
			[]string{`<details class="confirm dropdown" open><summary class="button">Pause`, `name="until" value="2020-01-02T03:04"`, "The time until when is past"},
		},
		{
			Root + "channels", Root + "channels/test", []string{"channel", "telegram", "to", "  "},
			[]string{"<h1>Channels</h1>", `value="  " placeholder="chat or number"`, "recipient is missing", `!<details class="panel" open>`},
		},
		{
			Root + "channels/telegram", Root + "channels/test", []string{"channel", "telegram", "to", "  "},
			[]string{"<h1>telegram</h1>", `value="  " placeholder="chat or number"`},
		},
		{
			Root + "channels", Root + "channels/pause", []string{"channel", "viber", "reason", long},
			[]string{"<h1>Channels</h1>", `value="` + long + `" placeholder="reason"`, "must be one line"},
		},
		{
			Root + "channels/viber", Root + "channels/pause", []string{"channel", "viber", "reason", long},
			[]string{"<h1>viber</h1>", `value="` + long + `" placeholder="reason"`},
		},
		{one, one + "/move", []string{"at", "tomorrow"}, []string{"<h1>Delivery", `value="tomorrow"`}},
		{
			Root + "outbox", Root + "outbox/replay", []string{"channel", "telegram", "code", "401", "from", "9", "to", "1"},
			[]string{"<h1>Outbox</h1>", `value="401"`, `name="from" value="9"`, `<option value="telegram" selected>`, "ends before it begins"},
		},
		{
			Root + "outbox?state=failed", Root + "outbox/replay", []string{"from", "x"},
			[]string{`name="from" value="x"`, `<input type="hidden" name="state" value="failed">`},
		},
	} {
		status, page := s.post(test.page, test.action, test.fields...)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", test.action, status)
		}
		s.shows(page, append(test.shows, `class="flash bad"`, `name="back" value="`+test.page+`"`, "!data-live")...)
	}
	if noted := s.noted(); len(noted) != 1 || !strings.HasPrefix(noted[0], "webhook.add") {
		t.Errorf("noted %q", noted)
	}
	// Where there is no such page, what went wrong is said on the one before.
	_, page := s.post(Root+"channels", Root+"webhooks/nobody/edit", "url", "ftp://odd")
	s.shows(page, "<h1>Channels</h1>", `class="flash bad"`)
}
