package dashboard

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ferryman/internal/alert"
	"ferryman/internal/audit"
	"ferryman/internal/fault"
)

const maxReason = 200 // characters

// channelToAct gives a channel that is known and how it stands, without what it has
// to do and did.
func (d *Dashboard) channelToAct(r *request, name string) (channelRow, error) {
	all, err := d.o.Outbox.Standing(r.Context())
	if err != nil {
		return channelRow{}, err
	}
	standing, known := all[name]
	if hook, is := strings.CutPrefix(name, webhookChannels); is && !known {
		_, err = d.o.Webhooks.Get(r.Context(), hook)
		known = err == nil
	}
	if !known && !slices.Contains(messengers(), name) {
		return d.channelNamed(r, name) // something may wait, or have gone, by one that nobody set up
	}
	c := channelRow{Name: name, Standing: standing}
	c.judge()
	return c, nil
}

// refusedChannel gives the page that a form about a channel was on, as it was filled
// in.
func (d *Dashboard) refusedChannel(r *request, name string, err error) (done, error) {
	var v view
	var show error
	if at, _ := r.from(); at == Root+"channels" {
		v, show = d.channelsView(r, typed{}, typed{r.form})
	} else {
		v, show = d.channelView(r, name, typed{}, typed{r.form})
	}
	return refusedWith("channels", v, show, err)
}

// pauseChannel keeps a channel from sending until somebody resumes it.
func (d *Dashboard) pauseChannel(r *request) (done, error) {
	c, err := d.channelToAct(r, r.form.Get("channel"))
	if err != nil {
		return done{}, err
	}
	reason := strings.TrimSpace(r.form.Get("reason"))
	if !utf8.ValidString(reason) || utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return d.refusedChannel(r, c.Name, &fault.Error{
			Kind: fault.Invalid, Code: "invalid_reason", Detail: fmt.Sprintf("the reason must be one line of at most %d characters", maxReason),
		})
	}
	if err := d.o.Outbox.Pause(r.Context(), c.Name, reason); err != nil {
		return done{}, err
	}
	return done{
		say: c.Name + " is paused. What is under way is finished; all else waits.", target: audit.Channel(c.Name), detail: reason,
		undo: &undo{Path: Root + "channels/resume", Fields: map[string]string{"channel": c.Name}},
	}, nil
}

// resumeChannel ends a channel's pause, and any rest.
func (d *Dashboard) resumeChannel(r *request) (done, error) {
	c, err := d.channelToAct(r, r.form.Get("channel"))
	if err != nil {
		return done{}, err
	}
	if err := d.o.Outbox.Resume(r.Context(), c.Name); err != nil {
		return done{}, err
	}
	return done{say: c.Name + " sends again.", target: audit.Channel(c.Name)}, nil
}

// testChannel sends a test, and leads to it: its page tells what becomes of it.
func (d *Dashboard) testChannel(r *request) (done, error) {
	c, err := d.channelToAct(r, r.form.Get("channel"))
	if err != nil {
		return done{}, err
	}
	if hook, is := strings.CutPrefix(c.Name, webhookChannels); is {
		if _, err := d.o.Webhooks.Get(r.Context(), hook); err != nil {
			return done{}, err
		}
	}
	trials, err := d.o.Alerts.Try(r.Context(), alert.Recipient{Channel: c.Name, Address: r.form.Get("to")})
	if err != nil {
		return d.refusedChannel(r, c.Name, err)
	}
	d.loads.forget()
	id := trials[0].Delivery
	say := "The test is on its way; this page tells what becomes of it."
	switch c.State {
	case "paused":
		say = "The channel is paused: the test waits, and expires in ten minutes."
	case "unset":
		say = "The channel is not set up: the test waits, and expires in ten minutes."
	}
	return done{
		say: say, target: audit.Channel(c.Name), detail: fmt.Sprintf("delivery %d", id), next: fmt.Sprintf("%soutbox/%d", Root, id),
	}, nil
}
