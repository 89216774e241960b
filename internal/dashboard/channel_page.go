package dashboard

import (
	"cmp"
	"html/template"
	"slices"
	"strings"

	"ferryman/internal/audit"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

// channelPage is what the page of a channel shows.
type channelPage struct {
	channelRow
	Error    outbox.LastError
	Day      dayChart
	DueChart template.HTML
	Edges    []dueBucket
	Hook     endpoint.Webhook // of a webhook that is there
	Signing  string
	Sealed   bool // it is there, and cannot be read
	Profiles []string
	Tests    bool // a test can be sent
	Record   []audit.Entry
	Form     typed // of the webhook
	Acted    typed // of what is done to the channel
}

var errNoChannel = &fault.Error{
	Kind: fault.NotFound, Code: "no_channel", Detail: "there is no such channel", Hint: "nothing ever went by it, and it is not set up",
}

// channelNamed gives a channel that is known.
func (d *Dashboard) channelNamed(r *request, name string) (channelRow, error) {
	rows, err := d.channelRows(r)
	if err != nil {
		return channelRow{}, err
	}
	for _, c := range rows {
		if c.Name == name {
			return c, nil
		}
	}
	return channelRow{}, errNoChannel
}

// channel is the page of one channel.
func (d *Dashboard) channel(r *request) (view, error) {
	return d.channelView(r, r.PathValue("name"), typed{}, typed{})
}

// channelView is the page with the form of its webhook, or of what is done to it, as
// it was filled in.
func (d *Dashboard) channelView(r *request, name string, form, acted typed) (view, error) {
	c, err := d.channelNamed(r, name)
	if err != nil {
		return view{}, err
	}
	ctx := r.Context()
	p := channelPage{
		channelRow: c, Day: c.day(r), DueChart: c.dueChart(), Edges: c.buckets(), Profiles: endpoint.Profiles(), Tests: c.Kind == "messenger",
		Form: form, Acted: acted,
	}
	targets := []string{audit.Channel(c.Name)}
	if hook, is := strings.CutPrefix(c.Name, webhookChannels); is {
		targets = append(targets, audit.Webhook(hook))
		p.Hook, err = d.o.Webhooks.Get(ctx, hook)
		switch {
		case fault.CodeOf(err) == endpoint.ErrSecretDiffers.Code:
			p.Sealed = true
		case fault.KindOf(err) == fault.NotFound:
		case err != nil:
			return view{}, err
		default:
			p.Tests, p.Signing = true, signing(p.Hook)
		}
	}
	errs, err := d.o.Outbox.LastErrors(ctx)
	if err != nil {
		return view{}, err
	}
	p.Error = errs[c.Name]
	for _, target := range targets {
		some, err := d.o.Audit.About(ctx, target, recordShown)
		if err != nil {
			return view{}, err
		}
		p.Record = append(p.Record, some...)
	}
	slices.SortFunc(p.Record, func(a, b audit.Entry) int { return cmp.Compare(b.ID, a.ID) })
	p.Record = p.Record[:min(len(p.Record), recordShown)]
	return view{template: "channel", title: "Channel " + c.Name, data: &p, live: []string{"outbox"}}, nil
}
