// Package app puts Ferryman together from its parts: it alone knows which
// sources, sinks and pages there are. What it opens it closes in reverse order.
package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
)

// Options are what every way of running Ferryman needs.
type Options struct {
	Config  config.Config
	Version string
	Log     *slog.Logger
	// Resume is where the original client of contact sync left off with a campaign of
	// the configuration, zero if it did not; nil knows of none.
	Resume func(config.Campaign) time.Time
	// Sandbox says that the store is that of a trial, which commands find by --sandbox.
	Sandbox bool
	// Shop has a simulated application report its crons to the server.
	Shop bool

	// Traceparent is the place in a trace that a command's sync is below, as W3C Trace
	// Context writes it; "" if it was begun by nobody who traces.
	Traceparent string

	// StoreMustExist has a store that is not there refused, no_store, and not made.
	StoreMustExist bool
	// StoreMade is told where a store was made that had not been there; nil tells nobody.
	StoreMade func(where string)

	tracer trace.Tracer // nil: nothing is traced
}

// OpenStore opens and migrates the own store and gives the migrations that it
// needed.
func OpenStore(ctx context.Context, o Options) (*db.DB, []db.Migration, error) {
	return openStore(ctx, o, func(*db.DB) error { return nil })
}

// openStore does so, with something to do before the schema is touched.
func openStore(ctx context.Context, o Options, first func(*db.DB) error) (*db.DB, []db.Migration, error) {
	open := openAny
	if o.StoreMustExist {
		open = openMade
	}
	d, err := open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	if err := first(d); err != nil {
		_ = d.Close()
		return nil, nil, err
	}
	applied, err := d.Migrate(ctx, jobs.Migrate)
	if err != nil {
		_ = d.Close()
		return nil, nil, err
	}
	for _, m := range applied {
		o.Log.Info("store migrated", "version", m.Version, "name", m.Name)
	}
	if o.StoreMade != nil && len(applied) > 0 && applied[0].Version == 1 {
		o.StoreMade(where(o, d))
	}
	return d, applied, nil
}

// where is a store in messages.
func where(o Options, d *db.DB) string {
	if file := d.Path(); file != "" {
		return file
	}
	return o.Config.Store.URL.String()
}

// openAny opens a store, which it makes if it is a file that is not there.
func openAny(ctx context.Context, o Options) (*db.DB, error) {
	return db.Open(ctx, o.Config.Store.URL.Reveal(), db.Options{Synchronous: o.Config.Store.Synchronous, Logger: o.Log})
}

// openAsIs opens a store that is there, without migrating it: others may work on it
// with another version.
func openAsIs(ctx context.Context, o Options) (*db.DB, error) {
	if file, err := db.File(o.Config.Store.URL.Reveal()); err == nil {
		if err := db.Exists(file); err != nil {
			return nil, err
		}
	}
	return openAny(ctx, o)
}

// openMade opens a store in which Ferryman has been before.
func openMade(ctx context.Context, o Options) (*db.DB, error) {
	d, err := openAsIs(ctx, o)
	if err != nil {
		return nil, err
	}
	made, err := d.Made(ctx)
	if err == nil && !made {
		err = db.NoStore(where(o, d))
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// Progress is told how a sync goes; each part may be nil.
type Progress struct {
	Waiting func()                // another run is under way
	Landed  func(pipeline.Report) // after every durable batch
}

// SyncWarehouses runs one warehouse sync in this process, beside a server or
// without one, and gives the run also when it failed.
func SyncWarehouses(ctx context.Context, o Options, p Progress) (syncs.Run, error) {
	node := nodeName()
	o, end, err := o.traced(ctx, node)
	if err != nil {
		return syncs.Run{}, err
	}
	defer end() //nolint:errcheck // it never fails
	d, _, err := OpenStore(ctx, o)
	if err != nil {
		return syncs.Run{}, err
	}
	defer d.Close() //nolint:errcheck // everything is durable by now
	w, err := openWarehouse(o)
	if err != nil {
		return syncs.Run{}, err
	}
	defer w.close() //nolint:errcheck // everything is durable by now
	set := syncs.NewSet(d, ledger.New(d), nil, syncs.Options{Logger: o.Log, Tracer: o.tracer})
	s, err := set.Add(ctx, w.sync(o.Config.Warehouse, false))
	if err != nil {
		return syncs.Run{}, err
	}
	return s.RunNow(o.below(ctx), node, p.Waiting, p.Landed)
}

// nodeName tells this process from all others of a store, and a person which
// machine it runs on.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	const longest = 60 // the job engine takes names of up to 100
	if len(host) > longest {
		host = host[:longest]
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:6]))
}
