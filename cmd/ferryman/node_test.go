package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/testwait"
)

// noWork is what a node does that does nothing.
type noWork struct{}

func (noWork) Rest(context.Context) error   { return nil }
func (noWork) Resume(context.Context) error { return nil }

func TestNodesAtWork(t *testing.T) {
	dir := t.TempDir()
	c, _, err := config.Load(config.Input{Dir: dir, Environ: []string{
		"FERRYMAN_STATE_DIR=" + dir, "FERRYMAN_STORE_URL=" + config.SQLiteURL(filepath.Join(dir, "store.db")),
	}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.OpenAdmin(t.Context(), app.Options{Config: c, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, stop := context.WithCancel(t.Context())
	var going sync.WaitGroup
	going.Go(func() {
		a.Nodes.Serve(ctx, node.Self{Name: "web-1-a", Version: "v1", URL: "http://localhost:1"}, noWork{})
	})
	defer going.Wait()
	defer stop()
	look := func() (n nodeJSON) {
		t.Helper()
		testwait.Until(t, "the node is there", func() bool {
			all, err := nodesAtWork(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) == 1 {
				n = all[0]
			}
			return len(all) == 1
		})
		return n
	}
	if n := look(); n.at() != "-" || n.Running == nil || n.Name != "web-1-a" {
		t.Errorf("got %+v", n)
	}
	for i, want := range []string{"ferryman/a", "ferryman/b, ferryman/a", "ferryman/c, ferryman/b, ferryman/a", "ferryman/d, ferryman/c, ferryman/b, 1 more"} {
		cron, err := a.Ledger.Create(t.Context(), 1, string(rune('a'+i)), ledger.Settings{Active: true})
		if err != nil {
			t.Fatal(err)
		}
		e, _, err := a.Ledger.Start(t.Context(), ledger.Start{Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP, Holder: "web-1-a", Lease: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if n := look(); n.at() != want || n.Running[0].Execution != e.ID || n.Running[0].Cron != cron.Slug {
			t.Errorf("got %q, want %q: %+v", n.at(), want, n)
		}
	}
	for want, n := range map[string]nodeJSON{
		"sending 3":               {Sending: 3},
		"shop/nightly, sending 1": {Sending: 1, Running: []nodeRunJSON{{App: "shop", Cron: "nightly"}}},
		"replaced by web-2-b":     {ReplacedBy: "web-2-b"},
	} {
		if got := n.at(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
