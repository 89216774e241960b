package app

import (
	"errors"
	"time"

	"ferryman/internal/channel/telegram"
	"ferryman/internal/channel/viber"
	"ferryman/internal/channel/whatsapp"
	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/push"
)

// The pauses between the attempts at a message.
const (
	firstPause   = 5 * time.Second
	longestPause = 10 * time.Minute
)

// setMessengers has the outbox serve the messengers that are configured. Those
// that are not keep their messages.
func setMessengers(o Options, box *outbox.Outbox) error {
	p, send := o.Config.Push, o.Config.Outbox
	var errs []error
	set := func(m push.Messenger, prefix string, c config.Messenger, channel outbox.Channel, err error, recipient func(outbox.Rate) func(string) outbox.Rate) {
		all, errAll := parseRate(prefix+"_RATE", c.Rate)
		each, errEach := parseRate(prefix+"_RECIPIENT_RATE", c.RecipientRate)
		if err := errors.Join(err, errAll, errEach); err != nil {
			errs = append(errs, err)
			return
		}
		box.Set(m.String(), outbox.Config{
			Channel: channel, Rate: all, Recipient: recipient(each),
			Concurrency: send.Concurrency, Timeout: send.Timeout, Patient: true, Backoff: outbox.Doubling(p.Attempts, firstPause, longestPause, 0.2),
		})
	}
	if c := p.Telegram; !c.Token.Empty() {
		channel, err := telegram.New(telegram.Config{
			BaseURL: c.BaseURL, Token: c.Token.Reveal(),
			Timeout: send.Timeout, Version: o.Version, Concurrency: send.Concurrency, Logger: o.Log,
		})
		set(push.Telegram, "TELEGRAM", c.Messenger, channel, err, telegram.Recipient)
	}
	if c := p.Viber; !c.Token.Empty() {
		channel, err := viber.New(viber.Config{
			BaseURL: c.BaseURL, Token: c.Token.Reveal(), Sender: c.Sender,
			Timeout: send.Timeout, Version: o.Version, Concurrency: send.Concurrency, Logger: o.Log,
		})
		set(push.Viber, "VIBER", c.Messenger, channel, err, the)
	}
	if c := p.WhatsApp; !c.Token.Empty() && c.PhoneNumberID != "" {
		channel, err := whatsapp.New(whatsapp.Config{
			BaseURL: c.BaseURL, APIVersion: c.APIVersion, PhoneNumberID: c.PhoneNumberID, Token: c.Token.Reveal(),
			Timeout: send.Timeout, Version: o.Version, Concurrency: send.Concurrency, Logger: o.Log,
		})
		set(push.WhatsApp, "WHATSAPP", c.Messenger, channel, err, the)
	}
	return errors.Join(errs...)
}

// missingSettings names, by their channels, what messengers that are not set up lack.
func missingSettings(p config.Push) map[string][]string {
	missing := map[string][]string{}
	if p.Telegram.Token.Empty() {
		missing[push.Telegram.String()] = []string{"TELEGRAM_TOKEN"}
	}
	if p.Viber.Token.Empty() {
		missing[push.Viber.String()] = []string{"VIBER_TOKEN"}
	}
	if p.WhatsApp.Token.Empty() {
		missing[push.WhatsApp.String()] = []string{"WHATSAPP_TOKEN"}
	}
	if p.WhatsApp.PhoneNumberID == "" {
		missing[push.WhatsApp.String()] = append(missing[push.WhatsApp.String()], "WHATSAPP_PHONE_NUMBER_ID")
	}
	return missing
}

// the is the rate of every recipient.
func the(r outbox.Rate) func(string) outbox.Rate {
	return func(string) outbox.Rate { return r }
}

func parseRate(setting, text string) (outbox.Rate, error) {
	r, err := outbox.ParseRate(text)
	if err != nil {
		return r, &fault.Error{Kind: fault.Unconfigured, Code: "rate", Detail: setting, Err: err}
	}
	return r, nil
}
