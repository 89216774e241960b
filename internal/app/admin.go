package app

import (
	"context"
	"time"

	"ferryman/internal/alert"
	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
)

// Admin is what administrative commands work with: the store itself, whether or
// not a server runs on it. Close it.
type Admin struct {
	Apps   *apikey.Registry // applications and keys, as far as no secret is needed
	Ledger *ledger.Ledger
	Outbox *outbox.Outbox // it sends nothing here
	Nodes  *node.Book
	Alerts *alert.Alerts
	Audit  *audit.Log

	o    Options
	db   *db.DB
	keys *apikey.Keys // nil until it is needed
}

// OpenAdmin opens and migrates the own store.
func OpenAdmin(ctx context.Context, o Options) (*Admin, error) {
	d, _, err := OpenStore(ctx, o)
	if err != nil {
		return nil, err
	}
	a := &Admin{
		Apps: apikey.NewRegistry(d), Ledger: ledger.New(d), Outbox: outbox.New(d, outbox.Options{Logger: o.Log}),
		Nodes: node.New(d, o.Log), Audit: audit.New(d, o.Log), o: o, db: d,
	}
	a.Alerts = alert.New(d, a.Ledger, a.Outbox)
	return a, nil
}

// Keys gives what makes keys. The first call needs the secret and makes one if
// the store has none yet; see openKeys.
func (a *Admin) Keys(ctx context.Context) (*apikey.Keys, error) {
	if a.keys == nil {
		keys, err := openKeys(ctx, a.o, a.db)
		if err != nil {
			return nil, err
		}
		a.keys = keys
	}
	return a.keys, nil
}

// Now is the store's clock.
func (a *Admin) Now() time.Time { return a.db.Now() }

// Close closes the store.
func (a *Admin) Close() error {
	if a.keys != nil {
		a.keys.Close()
	}
	return a.db.Close()
}
