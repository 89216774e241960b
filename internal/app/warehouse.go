package app

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/sqlsink"
	"ferryman/internal/source/pulpo"
	"ferryman/internal/syncs"
)

// warehouseSlug names the warehouse sync's cron, queue and pipeline. It stands
// in stores and targets: it never changes.
const warehouseSlug = "warehouses"

// warehouseLimit is how long one sync may take: two calls of the API and two
// requests of a token with their time-outs, and never so short that a target
// that is slow has no room.
func warehouseLimit(timeout time.Duration) time.Duration {
	return max(5*time.Minute, 4*timeout)
}

type warehouse struct {
	source *pulpo.Source
	sink   *sqlsink.Sink
}

func openWarehouse(o Options) (*warehouse, error) {
	c := o.Config.Warehouse
	// The state folder is Ferryman's own; any other the operator makes.
	if file := c.Database.File(); file != "" && filepath.Dir(file) == o.Config.Store.StateDir {
		if err := os.MkdirAll(o.Config.Store.StateDir, 0o700); err != nil {
			return nil, fmt.Errorf("make the state folder: %w", err)
		}
	}
	source, err := pulpo.New(pulpo.Config{
		BaseURL: c.BaseURL, Token: c.Token.Reveal(), User: c.User, Password: c.Password.Reveal(),
		RetryInterval: c.RetryToken, Timeout: c.Timeout, MaxAnswerBytes: c.MaxAnswer,
		Version: o.Version, Logger: o.Log,
	})
	if err != nil {
		return nil, err
	}
	sink, err := sqlsink.Open(c.Database.Reveal(), sqlsink.Options{
		Pipeline: warehouseSlug, Logger: o.Log,
		Tables: []*pipeline.Table{pulpo.Users(), pulpo.Warehouses(), pulpo.UsersWarehouses()},
	})
	if err != nil {
		source.Close()
		return nil, err
	}
	return &warehouse{source: source, sink: sink}, nil
}

func (w *warehouse) sync(c config.Warehouse, manual bool) syncs.Sync {
	return syncs.Sync{
		Slug: warehouseSlug, Name: "Warehouse sync", Every: c.Interval, Manual: manual, MaxRuntime: warehouseLimit(c.Timeout),
		Source: w.source, Sink: w.sink,
	}
}

func (w *warehouse) close() error {
	w.source.Close()
	return w.sink.Close()
}
