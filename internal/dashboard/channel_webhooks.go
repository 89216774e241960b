package dashboard

import (
	"fmt"
	"strings"

	"ferryman/internal/audit"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

// webhookRate reads a rate; "" stays what it is.
func webhookRate(text string) (string, error) {
	if text = strings.TrimSpace(text); text == "" {
		return "", nil
	}
	rate, err := outbox.ParseWebhookRate(text)
	return rate.String(), err
}

// told is what the record keeps of a webhook: nothing that may be secret.
func told(w endpoint.Webhook) string {
	return fmt.Sprintf("%s, profile %s, rate %s, %s", w.URL, w.Profile, w.Rate, signing(w))
}

// secretOnce is the page that shows a new secret.
func secretOnce(w endpoint.Webhook, rotated bool) *view {
	return &view{template: "webhook_secret", title: "Secret of " + w.Name, data: map[string]any{
		"Name": w.Name, "Channel": webhookChannels + w.Name, "Secret": w.Secret.Reveal(), "Rotated": rotated,
	}}
}

// The answers to forms that have made a secret.
var (
	errWebhookMade = &fault.Error{
		Kind: fault.Conflict, Code: "form_spent", Detail: "this webhook was added already, and its secret cannot be shown again",
		Hint: "if nobody has kept it, make a new secret",
	}
	errSecretMade = &fault.Error{
		Kind: fault.Conflict, Code: "form_spent", Detail: "this secret was made already and cannot be shown again",
		Hint: "if nobody has kept it, finish the rotation and make another",
	}
)

func (d *Dashboard) addWebhook(r *request) (done, error) {
	did, err := d.webhookAdded(r)
	if err == nil {
		return did, nil
	}
	v, show := d.channelsView(r.asOn(Root+"channels"), typed{r.form}, typed{})
	return refusedWith("channels", v, show, err)
}

func (d *Dashboard) webhookAdded(r *request) (done, error) {
	url, err := endpoint.ParseAddress(strings.TrimSpace(r.form.Get("url")))
	if err != nil {
		return done{}, err
	}
	rate, err := webhookRate(r.form.Get("rate"))
	if err != nil {
		return done{}, err
	}
	w := endpoint.Webhook{Name: strings.TrimSpace(r.form.Get("name")), URL: url, Profile: r.form.Get("profile"), Rate: rate}
	if r.form.Get("signed") != "" {
		w.Secret = endpoint.NewSecret()
	}
	if w, err = d.o.Webhooks.Add(r.Context(), w); err != nil {
		return done{}, err
	}
	did := done{
		say:    "The webhook " + w.Name + " is added. Servers take it up within seconds.",
		target: audit.Webhook(w.Name), detail: told(w), next: Root + "channels/" + webhookChannels + w.Name,
	}
	if !w.Secret.Empty() {
		did.answer, did.area = secretOnce(w, false), "channels"
	}
	return did, nil
}

func (d *Dashboard) editWebhook(r *request) (done, error) {
	did, err := d.webhookChanged(r)
	if err == nil {
		return did, nil
	}
	v, show := d.channelView(r, webhookChannels+r.PathValue("name"), typed{r.form}, typed{})
	return refusedWith("channels", v, show, err)
}

func (d *Dashboard) webhookChanged(r *request) (done, error) {
	var change endpoint.Change
	var err error
	if text := strings.TrimSpace(r.form.Get("url")); text != "" {
		if change.URL, err = endpoint.ParseAddress(text); err != nil {
			return done{}, err
		}
	}
	if change.Rate, err = webhookRate(r.form.Get("rate")); err != nil {
		return done{}, err
	}
	change.Profile = r.form.Get("profile")
	w, err := d.o.Webhooks.Update(r.Context(), r.PathValue("name"), change)
	if err != nil {
		return done{}, err
	}
	return done{
		say: "The webhook " + w.Name + " is changed. Servers go by it within seconds.", target: audit.Webhook(w.Name), detail: told(w),
	}, nil
}

func (d *Dashboard) rotateWebhook(r *request) (done, error) {
	w, err := d.o.Webhooks.Rotate(r.Context(), r.PathValue("name"), endpoint.NewSecret())
	if err != nil {
		return done{}, err
	}
	return done{target: audit.Webhook(w.Name), answer: secretOnce(w, !w.OldSecret.Empty()), area: "channels"}, nil
}

func (d *Dashboard) finishRotation(r *request) (done, error) {
	name := r.PathValue("name")
	if err := d.o.Webhooks.FinishRotation(r.Context(), name); err != nil {
		return done{}, err
	}
	return done{say: "The older secret of " + name + " signs no more.", target: audit.Webhook(name)}, nil
}

func (d *Dashboard) removeWebhook(r *request) (done, error) {
	name := r.PathValue("name")
	if err := d.o.Webhooks.Remove(r.Context(), name); err != nil {
		return done{}, err
	}
	return done{
		say:    "The webhook " + name + " is removed. What waits for it goes out if one of this name is added again.",
		target: audit.Webhook(name), next: Root + "channels",
	}, nil
}
