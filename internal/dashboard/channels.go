package dashboard

import (
	"ferryman/internal/endpoint"
	"ferryman/internal/outbox"
)

func (d *Dashboard) channelPages() []page {
	return []page{
		{Root + "channels", "channels", operators, d.channels, nil},
		{Root + "channels/{name...}", "channels", operators, d.channel, nil},
	}
}

func (d *Dashboard) channelActions() []action {
	hook := Root + "webhooks/{name}/"
	return []action{
		{Root + "channels/pause", "channel.pause", operators, d.pauseChannel},
		{Root + "channels/resume", "channel.resume", operators, d.resumeChannel},
		{Root + "channels/test", "channel.test", operators, d.testChannel},
		{Root + "webhooks/new", "webhook.add", operators, d.once(errWebhookMade, d.addWebhook)},
		{hook + "edit", "webhook.edit", operators, d.editWebhook},
		{hook + "rotate", "webhook.rotate", operators, d.once(errSecretMade, d.rotateWebhook)},
		{hook + "finish", "webhook.finish", operators, d.finishRotation},
		{hook + "remove", "webhook.remove", operators, d.removeWebhook},
	}
}

// channelsPage is what the page of channels shows.
type channelsPage struct {
	Messengers []channelRow
	Webhooks   []webhookRow
	Others     []channelRow
	Further    []string // the names of channels that there is no room for
	Errors     map[string]outbox.LastError
	Sealed     bool // the webhooks cannot be read: the secret of this node is another one
	Profiles   []string
	Rate       string // of a webhook for which none is given
	Form       typed  // of a new webhook
	Acted      typed  // of what is done to a channel
}

// webhookRow is a webhook with its channel, or the channel of one that is removed.
type webhookRow struct {
	channelRow
	Hook endpoint.Webhook // without a name: it is removed, or cannot be read
}

// ShortName is the name without that of its kind.
func (w webhookRow) ShortName() string { return w.Name[len(webhookChannels):] }

// Signing says what signs.
func (w webhookRow) Signing() string { return signing(w.Hook) }

func signing(w endpoint.Webhook) string {
	switch {
	case w.Secret.Empty():
		return "not signed"
	case w.OldSecret.Empty():
		return "signed"
	default:
		return "rotating: signed with two secrets"
	}
}

// channels is the page of all channels.
func (d *Dashboard) channels(r *request) (view, error) {
	return d.channelsView(r, typed{}, typed{})
}

// channelsView is the page with the form of a new webhook, or of what is done to a
// channel, as it was filled in.
func (d *Dashboard) channelsView(r *request, form, acted typed) (view, error) {
	rows, err := d.channelRows(r)
	if err != nil {
		return view{}, err
	}
	p := channelsPage{Profiles: endpoint.Profiles(), Rate: endpoint.DefaultRate, Form: form, Acted: acted}
	hooks, err := d.webhooks(r.Context())
	if err != nil {
		return view{}, err
	}
	if hooks == nil {
		if p.Sealed, err = d.o.Webhooks.Sealed(r.Context()); err != nil {
			return view{}, err
		}
	}
	of := map[string]endpoint.Webhook{}
	for _, w := range hooks {
		of[webhookChannels+w.Name] = w
	}
	for i, c := range rows {
		if i >= channelsShown {
			p.Further = append(p.Further, c.Name)
			continue
		}
		switch c.Kind {
		case "messenger":
			p.Messengers = append(p.Messengers, c)
		case "webhook":
			p.Webhooks = append(p.Webhooks, webhookRow{c, of[c.Name]})
		default:
			p.Others = append(p.Others, c)
		}
	}
	if p.Errors, err = d.o.Outbox.LastErrors(r.Context()); err != nil {
		return view{}, err
	}
	return view{template: "channels", title: "Channels", data: p, live: []string{"outbox"}}, nil
}
