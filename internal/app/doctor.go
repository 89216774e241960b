package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ferryman/internal/apikey"
	"ferryman/internal/certificate"
	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/doctor"
	"ferryman/internal/endpoint"
	"ferryman/internal/push"
	"ferryman/internal/sink/sqlsink"
	"ferryman/internal/tracing"
)

// Examined is what a doctor is told beside the settings.
type Examined struct {
	Warnings []config.Warning
	Wrong    error // why the settings cannot be used; nil: they can
	Offline  bool  // upstreams, targets and messengers are not asked
}

// Doctor looks whether a server with these settings has what it needs. It changes
// nothing. With wrong settings there is little to look at.
func Doctor(ctx context.Context, o Options, e Examined) []doctor.Finding {
	odd := make([]doctor.Setting, len(e.Warnings))
	for i, w := range e.Warnings {
		odd[i] = doctor.Setting{Name: w.Name, Oddity: w.Detail}
	}
	checks := []doctor.Check{doctor.Settings(len(o.Config.Show()), odd, e.Wrong)}
	if e.Wrong != nil {
		checks = append(checks, doctor.Told("rest", doctor.Doubtful("correct the settings, and run ferryman doctor again", "nothing else was looked at but open files")))
		return doctor.Run(ctx, append(checks, doctor.OpenFiles()))
	}
	p := &patient{Options: o}
	p.examine = sync.OnceValues(func() (db.Examination, error) {
		ctx, cancel := context.WithTimeout(ctx, doctor.Patience)
		defer cancel()
		return db.Examine(ctx, o.Config.Store.URL.Reveal())
	})
	checks = append(checks, p.own()...)
	if !e.Offline {
		checks = append(checks, p.upstreams()...)
		checks = append(checks, p.targets()...)
		checks = append(checks, p.collector()...)
	}
	checks = append(checks, p.messengers(e.Offline)...)
	return doctor.Run(ctx, append(checks, doctor.OpenFiles()))
}

// patient is who is looked at.
type patient struct {
	Options
	examine func() (db.Examination, error) // of the store; once
}

// own are the checks of what is this node's own.
func (p *patient) own() []doctor.Check {
	c := p.Config
	checks := []doctor.Check{doctor.Folder("state folder", c.Store.StateDir)}
	secret := filepath.Join(c.Store.StateDir, "secret")
	if file := c.Store.URL.File(); file != "" {
		if filepath.Dir(file) != c.Store.StateDir {
			checks = append(checks, doctor.Folder("store folder", filepath.Dir(file)))
		}
		if found, err := filepath.EvalSymlinks(file); err == nil {
			file = found // beside which the server keeps it
		}
		secret = file + secretEnding
	}
	exposed := p.exposed
	if c.Server.InsecureOpen {
		exposed = nil
	}
	read := func() error {
		_, err := readSecret(secret)
		return err
	}
	var speak *tls.Config
	if c.Server.TLSCert != "" {
		checks = append(checks, doctor.Certificate(certificate.Files{Cert: c.Server.TLSCert, Key: c.Server.TLSKey}, calledBy(c)))
		speak = certificate.Pinned(c.Server.TLSCert)
	}
	return append(checks,
		doctor.Store(func(context.Context) (db.Examination, error) { return p.examine() }),
		p.trouble(),
		doctor.Secret(!c.Store.Secret.Empty(), secret, read, p.needsSecret),
		doctor.Listen(c.Server.Listen, exposed, speak),
	)
}

// calledBy are the names by which settings say that the server is called.
func calledBy(c config.Config) []string {
	names := slices.Clone(c.Server.Hosts)
	if host, _, err := net.SplitHostPort(c.Server.Listen); err == nil && host != "" {
		if net.ParseIP(host) == nil && host != "localhost" && !slices.Contains(names, host) {
			names = append(names, host) // an address that it listens on need not be one that it is called by
		}
	}
	return names
}

// onStore runs fn on the store if that has the schema of this binary: no other one can
// be read with it, and none is migrated here.
func (p *patient) onStore(ctx context.Context, fn func(*db.DB) error) (ran bool, err error) {
	e, err := p.examine()
	if err != nil || e.Version == 0 || e.Version != e.Newest || e.Damage != "" {
		return false, nil //nolint:nilerr // the store's own check tells of it
	}
	d, err := db.Open(ctx, p.Config.Store.URL.Reveal(), db.Options{Synchronous: p.Config.Store.Synchronous, Logger: p.Log})
	if err != nil {
		return false, err
	}
	return true, errors.Join(fn(d), d.Close())
}

// exposed tells whether there is no key, where one is needed.
func (p *patient) exposed(ctx context.Context) (bool, error) {
	some := false
	ran, err := p.onStore(ctx, func(d *db.DB) (err error) {
		some, err = apikey.NewRegistry(d).Any(ctx)
		return err
	})
	if !ran && err == nil {
		e, err := p.examine()
		return err == nil && e.Version == 0, nil
	}
	return !some, err
}

// needsSecret tells whether the store has what was made with the secret, and looks, if
// that is there, whether it was this one.
func (p *patient) needsSecret(ctx context.Context, there bool) (needed bool, err error) {
	_, err = p.onStore(ctx, func(d *db.DB) error {
		keys, err := apikey.NewRegistry(d).Sealed(ctx)
		if err != nil {
			return err
		}
		webhooks, err := endpoint.NewRegistry(d).Sealed(ctx)
		if needed = keys || webhooks; err != nil || !needed || !there {
			return err
		}
		open, err := openKeys(ctx, p.Options, d)
		if err != nil {
			return err
		}
		open.Close()
		return nil
	})
	return needed, err
}

// upstreams are the checks of the APIs that syncs read from.
func (p *patient) upstreams() (checks []doctor.Check) {
	w := p.Config.Warehouse
	switch {
	case !w.Token.Empty() || w.User != "" && !w.Password.Empty():
		checks = append(checks, doctor.Web("WMS API", "API_BASE_URL", w.BaseURL, p.Version))
	case len(p.Config.Campaigns) == 0:
		checks = append(checks, doctor.Told("WMS API", doctor.Doubtful("set API_TOKEN, or API_USER and API_PASSWORD",
			"there is no way to sign in to it: warehouses cannot be synced")))
	}
	asked := map[string]bool{}
	for _, c := range p.Config.Campaigns {
		if !asked[c.BaseURL] {
			asked[c.BaseURL] = true
			checks = append(checks, doctor.Web("campaign API", "base_url in the campaigns file", c.BaseURL, p.Version))
		}
	}
	return checks
}

// targets are the checks of what syncs write to.
func (p *patient) targets() (checks []doctor.Check) {
	c := p.Config
	checks = append(checks, p.target("target of warehouses", c.Warehouse.Database.Reveal(), c.Warehouse.Database.String())...)
	for _, one := range c.Campaigns {
		name := "target of " + one.Name
		if posts(one) {
			checks = append(checks, doctor.Host(name, one.Target.Reveal()))
			continue
		}
		checks = append(checks, p.target(name, one.Target.Reveal(), one.ShownTarget())...)
	}
	return checks
}

// collector is the check of where traces go, if they go anywhere.
func (p *patient) collector() []doctor.Check {
	t := p.Config.Traces
	u, err := url.Parse(t.URL)
	if t.URL == "" || t.Disabled || err != nil {
		return nil
	}
	return []doctor.Check{doctor.Ask("trace collector", u.Scheme+"://"+u.Host+" takes traces", func(ctx context.Context) error {
		return tracing.Ask(ctx, p.tracing("doctor"))
	})}
}

func (p *patient) target(name, address, shown string) []doctor.Check {
	if u, err := url.Parse(address); err == nil && strings.EqualFold(u.Scheme, "sqlite") {
		if filepath.Dir(u.Path) == p.Config.Store.StateDir {
			return nil // a folder that has been looked at
		}
		return []doctor.Check{doctor.Disk(name, u.Path)}
	}
	return []doctor.Check{doctor.Try(name, shown+" answers", func(ctx context.Context) error {
		sink, err := sqlsink.Open(address, sqlsink.Options{Pipeline: "doctor", Logger: p.Log})
		if err != nil {
			return err
		}
		return errors.Join(sink.Ping(ctx), sink.Close())
	})}
}

// messengers are the checks of the channels to people.
func (p *patient) messengers(offline bool) (checks []doctor.Check) {
	missing := missingSettings(p.Config.Push)
	for _, m := range []struct {
		messenger push.Messenger
		setting   string
		base      string
		of        int // settings that it needs
	}{
		{push.Telegram, "TELEGRAM_BASE_URL", p.Config.Push.Telegram.BaseURL, 1},
		{push.Viber, "VIBER_BASE_URL", p.Config.Push.Viber.BaseURL, 1},
		{push.WhatsApp, "WHATSAPP_BASE_URL", p.Config.Push.WhatsApp.BaseURL, 2},
	} {
		name := m.messenger.String()
		switch lacks := strings.Join(missing[name], " and "); {
		case lacks == "" && offline:
			checks = append(checks, doctor.Told(name, doctor.Well("it is set up")))
		case lacks == "":
			checks = append(checks, doctor.Web(name, m.setting, m.base, p.Version))
		case len(missing[name]) < m.of:
			checks = append(checks, doctor.Told(name, doctor.Doubtful("set "+lacks, "it is set up by half: its messages wait")))
		default:
			checks = append(checks, doctor.Told(name, doctor.Well("it is not set up (%s): its messages would wait", lacks)))
		}
	}
	return checks
}
