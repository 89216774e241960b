package app

import (
	"cmp"
	"fmt"
	"time"

	"ferryman/internal/channel/webhook"
	"ferryman/internal/config"
	"ferryman/internal/endpoint"
	"ferryman/internal/outbox"
)

// Of the channel that posts a campaign's transactions.
const (
	campaignPrefix = "contacts/"
	campaignRate   = 5 // posts a second
)

// campaignHook is the web service that a campaign's transactions are posted to.
type campaignHook struct {
	URL     config.Secret
	Secrets []config.Secret // whsec_…, the newest first; none: nothing is signed
	Rate    int             // posts a second; campaignRate if 0
	Burst   int             // posts at once; twice the rate if 0
	Profile string          // when a post is tried again; webhook.SeedProfile if ""
}

// setCampaignHook has the outbox serve the channel contacts/ and the campaign's
// name. Call it once: to set it anew lifts a pause that a fault has made. A URL or
// a secret that cannot be used is a fault of kind Invalid.
func setCampaignHook(o Options, box *outbox.Outbox, name string, c campaignHook) error {
	keys := make([][]byte, len(c.Secrets))
	for i, s := range c.Secrets {
		secret, err := endpoint.ParseSecret(s.Reveal())
		if err != nil {
			return fmt.Errorf("webhook of campaign %s: %w", name, err)
		}
		keys[i] = secret.Key()
	}
	// The address is the operator's own, from a file or the command line: it may well
	// be of the inner network, and go by a proxy.
	channel, err := webhook.New(webhook.Config{
		URL: c.URL.Reveal(), Secrets: keys, Guard: false,
		Timeout: webhookTimeout, Version: o.Version, Logger: o.Log, Conns: webhookConcurrency,
	})
	if err != nil {
		return fmt.Errorf("webhook of campaign %s: %w", name, err)
	}
	rate := cmp.Or(c.Rate, campaignRate)
	box.Set(campaignPrefix+name, outbox.Config{
		Channel: channel, Rate: outbox.Rate{N: rate, Per: time.Second, Burst: cmp.Or(c.Burst, 2*rate)},
		Concurrency: webhookConcurrency, Timeout: webhookTimeout,
		Backoff: webhook.Profile(cmp.Or(c.Profile, webhook.SeedProfile)), Repeatable: true,
	})
	return nil
}
