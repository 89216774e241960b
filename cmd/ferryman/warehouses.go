package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
)

func newWarehouses() *cobra.Command {
	return group("warehouses", "Sync users and warehouses from the WMS API into SQL", newWarehousesSync())
}

func newWarehousesSync() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "sync", Short: "Run one warehouse sync now and wait for it",
		Long: `Run one warehouse sync in this process and wait for it, whether or not a server
runs on the same store. Runs never overlap: if one is under way, this one waits
for its turn. It stands in the ledger like any other.

` + exitCodes,
		Example: "  ferryman warehouses sync\n  ferryman warehouses sync --json | jq .report.tables",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, log, err := settings(cmd, slog.LevelWarn)
			if err != nil {
				return err
			}
			p := newProgress(cmd.ErrOrStderr())
			run, err := app.SyncWarehouses(cmd.Context(), app.Options{Config: c, Version: version, Log: log}, app.Progress{
				Waiting: func() { p.say("waiting for another run to end") },
				Landed:  func(r pipeline.Report) { p.show(fmt.Sprintf("%d rows landed", r.Total().Read)) },
			})
			p.done()
			if err != nil {
				return err
			}
			if err := printRun(cmd, run, asJSON); err != nil {
				return err
			}
			if code := exitOf(run); code != exitOK {
				return exitError(code)
			}
			return nil
		},
	}
	config.AddFlags(c.Flags(), config.FileSection, config.StoreSection, config.WarehouseSection, config.LogSection)
	c.Flags().BoolVar(&asJSON, "json", false, "print the run as one JSON object")
	return c
}

// shownRun is a run for scripts.
type shownRun struct {
	Execution int64           `json:"execution"`
	OK        bool            `json:"ok"`
	StartedAt time.Time       `json:"started_at"`
	EndedAt   time.Time       `json:"ended_at"`
	Report    pipeline.Report `json:"report"`
	Reason    string          `json:"reason,omitempty"`
	Detail    string          `json:"detail,omitempty"`
}

func printRun(cmd *cobra.Command, r syncs.Run, asJSON bool) error {
	if asJSON {
		return printJSON(cmd, shownRun{r.Execution, r.OK(), r.StartedAt, r.EndedAt, r.Report, r.Reason, r.Detail})
	}
	took := r.EndedAt.Sub(r.StartedAt).Round(time.Millisecond)
	if !r.OK() {
		fmt.Fprintf(cmd.ErrOrStderr(), "ferryman: sync failed after %v: %s\n", took, r.Detail)
		return nil
	}
	out := cmd.OutOrStdout()
	for _, t := range r.Report.Tables {
		fmt.Fprintf(out, "%-16s %6d read %6d written %6d unchanged %6d deleted %6d rejected\n",
			t.Table, t.Read, t.Written, t.Unchanged, t.Deleted, t.Rejected)
	}
	_, err := fmt.Fprintf(out, "done in %v\n", took)
	return err
}

// progress shows what is going on: on a terminal as one line that counts the
// seconds, elsewhere as a line each.
type progress struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	text  string
	begun time.Time
	stop  chan struct{}
	ended sync.WaitGroup
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	p := &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd())), text: "syncing", begun: time.Now(), stop: make(chan struct{})}
	if p.terminal {
		p.ended.Go(p.draw)
	}
	return p
}

// say tells what a person waits for; show only how it goes on.
func (p *progress) say(text string) {
	p.show(text)
	if !p.terminal {
		fmt.Fprintln(p.w, text)
	}
}

func (p *progress) show(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

func (p *progress) draw() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			fmt.Fprint(p.w, "\r\x1b[K")
			return
		case <-tick.C:
			p.mu.Lock()
			fmt.Fprintf(p.w, "\r\x1b[K%s … %.1f s", p.text, time.Since(p.begun).Seconds())
			p.mu.Unlock()
		}
	}
}

func (p *progress) done() {
	close(p.stop)
	p.ended.Wait()
}
