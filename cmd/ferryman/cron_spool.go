package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/config"
	"ferryman/internal/cronexec"
	"ferryman/internal/fault"
)

// shownWaiting is a report that waits, for scripts.
type shownWaiting struct {
	Cron    string    `json:"cron"`
	EndedAt time.Time `json:"ended_at"`
	Success bool      `json:"success"`
	URL     string    `json:"url"`
	SameKey bool      `json:"same_key"`
}

func newCronSpool() *cobra.Command {
	var send, all, asJSON bool
	c := &cobra.Command{
		Use: "spool", Short: "List the reports of runs that wait for the server, or send them", Args: noArgs,
		Long: `List the reports of cron exec that could not be delivered and wait in
FERRYMAN_SPOOL_DIR. The next run sends them by itself. With --send they go out now.

One whose start was not answered waits for the key that it was kept with: a cron of its
name may be another application's. And each waits for the address that it was kept for.
If the key was replaced by another of the same application, or the same server has
another address now, set FERRYMAN_API_KEY and FERRYMAN_URL to the new ones and give
--all: those go to this server, too, with this key. What it knows nothing of stays. After
thirty days a report is thrown away.

Exit codes: 0 done; 1 wrong usage or settings; 5 with --send: some reports could not be
delivered, and wait.

` + config.Usage(config.ExecSection),
		Example: "  ferryman cron spool\n  ferryman cron spool --send\n  ferryman cron spool --send --all     # the key is a new one of the same application",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && !send {
				return usageError{cmd, errors.New("--all needs --send")}
			}
			var o cronexec.Options
			o.Verbose = true // here a person looks at warnings
			endTraces := execSettings(cmd, &o)
			defer endTraces()
			if o.SpoolDir == "" {
				return o.Settings
			}
			if send {
				return sendSpool(cmd, o, all, asJSON)
			}
			return listSpool(cmd, o, asJSON)
		},
	}
	config.AddFlags(c.Flags(), config.FileSection)
	c.Flags().BoolVar(&send, "send", false, "send what waits")
	c.Flags().BoolVar(&all, "all", false, "with --send: also what was kept with another key or for another address")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func listSpool(cmd *cobra.Command, o cronexec.Options, asJSON bool) error {
	waiting := cronexec.List(o)
	if asJSON {
		shown := make([]shownWaiting, len(waiting))
		for i, w := range waiting {
			shown[i] = shownWaiting{w.Cron, w.EndedAt, w.Success, w.URL, w.SameKey}
		}
		return printJSON(cmd, shown)
	}
	if len(waiting) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing waits in "+o.SpoolDir)
		return nil
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CRON\tENDED\tRESULT\tSERVER\tKEY")
	for _, w := range waiting {
		result, key := "error", "another"
		if w.Success {
			result = "success"
		}
		if w.SameKey {
			key = "this"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", w.Cron, cell(w.EndedAt, ""), result, w.URL, key)
	}
	return t.Flush()
}

func sendSpool(cmd *cobra.Command, o cronexec.Options, all, asJSON bool) error {
	sent, err := cronexec.Send(cmd.Context(), o, all)
	if fault.KindOf(err) == fault.Unconfigured {
		return err
	}
	left := len(cronexec.List(o))
	if asJSON {
		if err := printJSON(cmd, map[string]int{"sent": sent.Sent, "discarded": sent.Discarded, "waiting": left}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%d reports sent, %d thrown away, %d wait\n", sent.Sent, sent.Discarded, left)
	}
	if sent.Discarded > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "the last was thrown away, for: %v\n", sent.Why)
	}
	switch {
	case err != nil:
		return err
	case sent.Others > 0 && all:
		return fmt.Errorf("the server at %s knows nothing of %d reports, of this key's application: they wait", o.URL, sent.Others)
	case sent.Others > 0:
		return fmt.Errorf("%d reports wait for another key or FERRYMAN_URL; if the application and its server are the same, send them with --all", sent.Others)
	}
	return nil
}
