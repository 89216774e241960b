// Package dashboard is the pages on which people look at what Ferryman does, and
// act on it.
//
// Pages are HTML from the server that reads without JavaScript. A page is a
// function from a request to a view; one place asks who looks, renders, and says
// what went wrong. An action is a form that is posted: one place asks who acts,
// whether the form is ours, writes down what was done, and leads back to a page.
// What a page shows it asks of the domains when it is asked for; the script then
// asks anew when the stream of changes says that something is different.
package dashboard

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"ferryman/internal/alert"
	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/endpoint"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
	"ferryman/internal/ratelimit"
	"ferryman/internal/rejected"
)

// Root is the path below which all pages are.
const Root = "/ui/"

// Syncs starts Ferryman's own syncs.
type Syncs interface {
	// Cast asks for one run of the sync with the given slug, and goes on.
	Cast(ctx context.Context, slug string) error
}

// Options are what a Dashboard needs. All of it is required unless it says
// otherwise.
type Options struct {
	Log     *slog.Logger
	Version string // of the build

	Keys     *apikey.Keys
	Sessions *apikey.Sessions
	Audit    *audit.Log
	Ledger   *ledger.Ledger
	Outbox   *outbox.Outbox
	Nodes    *node.Book
	Rejected *rejected.Log
	Alerts   *alert.Alerts
	Webhooks *endpoint.Webhooks
	Syncs    Syncs // those that this node runs; nil: none
	// Pipelines are what those syncs carry from where to where.
	Pipelines []Pipeline
	Verifier  Verifier // compares them with their sources; nil: nothing does
	// Missing names the settings that messengers lack to be served by this node, by
	// their channels.
	Missing map[string][]string

	Jobs     JobPages  // without a handler: none
	Node     Node      // this one
	Settings []Setting // in the order of the documentation

	// Secret is the store's. What tells our forms from others is derived from it, so
	// that all nodes take each other's.
	Secret []byte
	// Loopback says that nobody but this machine reaches the server: while no key is
	// there to sign in with, everybody who does may look and act.
	Loopback bool
	// Status gives the HTTP status of an error.
	Status func(error) int
	Now    func() time.Time // time.Now if nil
}

// Dashboard answers below Root. It is safe for concurrent use.
type Dashboard struct {
	o      Options
	mux    *http.ServeMux
	assets assets
	views  views
	forms  []byte // the key of the tokens in our forms
	live   *live
	within time.Duration // how long a browser may take a piece of what is streamed
	loads  kept[[]outbox.Load]
	// letters are the first pages of syncs' dead letters, by their slugs.
	letters map[string]*kept[lettersFound]

	spent     spent                            // forms that are taken but once
	wrongKeys *ratelimit.Limiter[netip.Prefix] // by the network that they come from
}

// New builds the pages. Close it.
func New(o Options) (*Dashboard, error) {
	if o.Log == nil || o.Keys == nil || o.Sessions == nil || o.Audit == nil || o.Ledger == nil || o.Outbox == nil || o.Nodes == nil || o.Rejected == nil || o.Alerts == nil || o.Webhooks == nil ||
		o.Status == nil || len(o.Secret) == 0 {
		return nil, errors.New("an option of the dashboard is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Dashboard{
		o: o, mux: http.NewServeMux(), live: newLive(o.Log, pulses(o)), within: liveWrite, letters: map[string]*kept[lettersFound]{},
		wrongKeys: ratelimit.New[netip.Prefix](wrongKeyRate, wrongKeyBurst),
	}
	for _, p := range o.Pipelines {
		d.letters[p.Slug] = &kept[lettersFound]{}
	}
	var err error
	if d.forms, err = hkdf.Key(sha256.New, o.Secret, nil, "ferryman dashboard forms", sha256.Size); err != nil {
		return nil, fmt.Errorf("derive the key of forms: %w", err)
	}
	if d.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("load the dashboard's files: %w", err)
	}
	if d.views, err = loadViews(d.assets); err != nil {
		return nil, fmt.Errorf("load the dashboard's pages: %w", err)
	}
	for _, p := range d.pages() {
		d.mux.HandleFunc("GET "+p.pattern, d.serve(p))
	}
	for _, a := range d.actions() {
		d.mux.HandleFunc("POST "+a.pattern, d.act(a))
	}
	for _, f := range d.files() {
		d.mux.HandleFunc("GET "+f.pattern, d.give(f))
	}
	d.mux.HandleFunc("GET "+Root+"static/{file}", d.assets.serve)
	d.mux.HandleFunc("GET "+Root+"live", d.stream)
	d.mountJobs()
	d.mux.HandleFunc(Root, d.missing)
	return d, nil
}

// pages is all pages, in the order of the menu.
func (d *Dashboard) pages() []page {
	return slices.Concat(
		d.overviewPages(), d.cronPages(), d.timelinePages(), d.runPages(), d.syncPages(), d.outboxPages(), d.channelPages(),
		d.rejectedPages(), d.applicationPages(), d.maintenancePages(), d.nodePages(), d.settingsPages(), d.signInPages(),
	)
}

// actions is all that can be done, along with the pages that offer it.
func (d *Dashboard) actions() []action {
	return slices.Concat(
		d.cronActions(), d.runActions(), d.syncActions(), d.outboxActions(), d.channelActions(),
		d.applicationActions(), d.maintenanceActions(), d.nodeActions(), d.settingsActions(), d.preferenceActions(), d.signInActions(),
	)
}

// files is what pages lead to beside other pages.
func (d *Dashboard) files() []file {
	return slices.Concat(d.cronFiles(), d.runFiles(), d.outboxFiles())
}

// ServeHTTP answers a request. The header X-Request-Id is set already, if it is to
// be told.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	d.mux.ServeHTTP(w, r)
}

// policy lets pages load what the server itself serves, and nothing else: no
// inline style, no inline script.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Close ends the streams of changes.
func (d *Dashboard) Close() { d.live.close() }

// pulses are the versions of what pages show, by the topic that a page names.
func pulses(o Options) map[string]func(context.Context) (string, error) {
	all := map[string]func(context.Context) (string, error){
		"ledger": o.Ledger.Pulse,
		"outbox": o.Outbox.Pulse,
		"nodes":  o.Nodes.Pulse,
	}
	if o.Verifier != nil {
		all["verify"] = func(context.Context) (string, error) { return o.Verifier.Pulse(), nil }
	}
	return all
}
