package main

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

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
			run, err := app.SyncWarehouses(cmd.Context(), app.Options{Config: c, Version: version, Log: log, Traceparent: os.Getenv("TRACEPARENT")}, app.Progress{
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
