package app

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"ferryman/internal/channel/webhook"
	"ferryman/internal/db"
	"ferryman/internal/endpoint"
	"ferryman/internal/outbox"
)

// Of each webhook's channel.
const (
	webhookPrefix      = "webhook/"
	webhookConcurrency = 16
	webhookTimeout     = 30 * time.Second
)

// lookEvery is how late a node may be to go by a change of webhooks.
const lookEvery = 2 * time.Second

// endpoints keeps the outbox's channels in line with the webhooks that are
// registered: one channel of each, named webhook/ and its name.
type endpoints struct {
	webhooks *endpoint.Webhooks
	outbox   *outbox.Outbox
	o        endpointOptions

	version string // of what is served
	looked  bool
	served  map[string]servedWebhook
	told    chan struct{}
}

type endpointOptions struct {
	Guard      bool     // only public addresses, and AllowHosts
	AllowHosts []string // each with a port or without
	Version    string
	Log        *slog.Logger
}

type servedWebhook struct {
	endpoint.Webhook
	channel *webhook.Channel
}

func newEndpoints(w *endpoint.Webhooks, box *outbox.Outbox, o endpointOptions) *endpoints {
	return &endpoints{webhooks: w, outbox: box, o: o, served: map[string]servedWebhook{}, told: make(chan struct{}, 1)}
}

// Look has Run look for changes now.
func (e *endpoints) Look() {
	select {
	case e.told <- struct{}{}:
	default: // it will look anyway
	}
}

// Run looks for changes until ctx ends. What it cannot read stays as it is.
func (e *endpoints) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var failing string
	for {
		err := e.look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failing = ""
		case err.Error() != failing: // the same trouble is told of once
			failing = err.Error()
			e.o.Log.Error("cannot look after webhooks", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-e.told:
		}
	}
}

// look serves what is registered by now, and touches no channel that has not
// changed.
func (e *endpoints) look(ctx context.Context) error {
	version, err := e.webhooks.Version(ctx) // first: what changes after it has another
	if err != nil || e.looked && version == e.version {
		return err
	}
	all, err := e.webhooks.List(ctx)
	if err != nil {
		return err
	}
	gone := maps.Clone(e.served)
	for _, w := range all {
		delete(gone, w.Name)
		if old, ok := e.served[w.Name]; !ok || old.Webhook != w {
			e.serve(w) //nolint:contextcheck // a channel is served for longer than a look lasts
		}
	}
	for name := range gone {
		e.drop(name)
	}
	e.version, e.looked = version, true
	return nil
}

func (e *endpoints) serve(w endpoint.Webhook) {
	made, err := webhook.New(webhook.Config{
		URL: w.URL.Reveal(), Secrets: keysOf(w), Guard: e.o.Guard, AllowHosts: e.o.AllowHosts,
		Timeout: webhookTimeout, Version: e.o.Version, Logger: e.o.Log, Conns: webhookConcurrency, Trace: true,
	})
	if err != nil {
		// By what the registry takes this cannot be; another version may take more.
		e.o.Log.Error("cannot serve a webhook", "name", w.Name, "err", err)
		e.drop(w.Name)
		return
	}
	rate, err := outbox.ParseRate(w.Rate)
	if err != nil {
		e.o.Log.Error("cannot read the rate of a webhook, and take the default", "name", w.Name, "err", err)
		rate, _ = outbox.ParseRate(endpoint.DefaultRate) // it is well-formed
	}
	e.outbox.Set(webhookPrefix+w.Name, outbox.Config{
		Channel: made, Rate: rate, Concurrency: webhookConcurrency, Timeout: webhookTimeout,
		Backoff: webhook.Profile(w.Profile), Repeatable: true,
	})
	e.closeOld(w.Name)
	e.served[w.Name] = servedWebhook{w, made}
	e.o.Log.Info("webhook served", "name", w.Name, "url", w.URL)
}

func (e *endpoints) drop(name string) {
	e.outbox.Unset(webhookPrefix + name)
	e.closeOld(name)
	delete(e.served, name)
	e.o.Log.Info("webhook served no more", "name", name)
}

func (e *endpoints) closeOld(name string) {
	if old := e.served[name].channel; old != nil {
		old.Close()
	}
}

func keysOf(w endpoint.Webhook) [][]byte {
	var keys [][]byte
	for _, s := range []endpoint.Secret{w.Secret, w.OldSecret} {
		if !s.Empty() {
			keys = append(keys, s.Key())
		}
	}
	return keys
}

// openWebhooks opens the webhooks of a migrated store with its secret.
func openWebhooks(ctx context.Context, o Options, d *db.DB) (*endpoint.Webhooks, error) {
	secret, err := storeSecret(ctx, o, d)
	if err != nil {
		return nil, err
	}
	return endpoint.Open(d, secret)
}

// Webhooks gives the registry of webhooks. It needs the secret and makes one if
// the store has none yet; see storeSecret.
func (a *Admin) Webhooks(ctx context.Context) (*endpoint.Webhooks, error) {
	return openWebhooks(ctx, a.o, a.db)
}

// WebhookRegistry is what can be done to webhooks without the secret.
func (a *Admin) WebhookRegistry() *endpoint.Registry { return endpoint.NewRegistry(a.db) }

// WebhookRefused tells whether a server with these settings would refuse to post to an
// address, as far as that shows without looking its host up.
func WebhookRefused(o Options, to endpoint.Address) bool {
	return webhook.Refuses(to.Reveal(), o.Config.Outbox.AllowHosts)
}
