package dashboard

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
)

// replayTime is how long a replay may take while somebody waits for the page.
const replayTime = 5 * time.Second

// replay revives dead letters: of a channel, of a code, of a range of ids.
func (d *Dashboard) replay(r *request) (done, error) {
	s, what, err := readReplay(r.form)
	if err != nil {
		return d.refusedReplay(r, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), replayTime)
	defer cancel()
	revived, err := d.o.Outbox.Replay(ctx, s)
	d.loads.forget()
	did := done{
		say: fmt.Sprintf("%s dead letters are due again.", wholeNumber(revived)), target: "outbox",
		detail: fmt.Sprintf("%s: %d revived", what, revived),
	}
	if s.Channel != "" {
		did.target = audit.Channel(s.Channel)
	}
	switch {
	case err != nil && ctx.Err() != nil && r.Context().Err() == nil:
		did.say += " There are more: do it again."
		did.detail += ", and there were more"
	case err != nil:
		return d.refusedReplay(r, err)
	case revived == 0:
		did.say = "There is no dead letter like that, or its time is over."
	case revived == 1:
		did.say = "One dead letter is due again."
	}
	return did, nil
}

// refusedReplay gives the page of the outbox with the form as it was filled in.
func (d *Dashboard) refusedReplay(r *request, err error) (done, error) {
	v, show := d.outboxView(r.asOn(Root+"outbox"), typed{r.form})
	return refusedWith("outbox", v, show, err)
}

// readReplay reads which dead letters a form means, and says it in words.
func readReplay(form url.Values) (s outbox.Selection, what string, err error) {
	s.Channel, s.Code = form.Get("channel"), strings.TrimSpace(form.Get("code"))
	var said []string
	if s.Channel != "" {
		said = append(said, "channel "+s.Channel)
	}
	if s.Code != "" {
		said = append(said, "code "+s.Code)
	}
	for _, end := range []struct {
		name string
		to   *int64
	}{{"from", &s.From}, {"to", &s.To}} {
		text := strings.TrimSpace(form.Get(end.name))
		if text == "" {
			continue
		}
		id, ok := ledger.ParseID(text)
		if !ok {
			return s, "", &fault.Error{Kind: fault.Invalid, Code: "invalid_id", Detail: fmt.Sprintf("%q is no id of a delivery", cut(text, 40))}
		}
		*end.to = id
		said = append(said, end.name+" "+text)
	}
	if s.To != 0 && s.From > s.To {
		return s, "", &fault.Error{Kind: fault.Invalid, Code: "invalid_range", Detail: "the range of ids ends before it begins"}
	}
	return s, strings.Join(said, ", "), nil
}
