package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

// pageSize is how many crons are read at a time.
const pageSize = 500

func newCronList() *cobra.Command {
	var f cronFlags
	var state string
	c := &cobra.Command{
		Use: "list", Short: "List crons and how they stand", Args: noArgs,
		Long: `List the crons of all applications, or of one, and how they stand. Ferryman's own syncs
are those of the application ferryman.

A cron is in the first of these states that holds: ` + stateNames() + `.`,
		Example: "  ferryman cron list\n  ferryman cron list --app shop --state failing\n  ferryman cron list --json | jq -r '.[].slug'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, a *app.Admin) error {
				filter := ledger.CronFilter{Limit: pageSize}
				if state != "" {
					filter.States = []ledger.State{ledger.State(state)}
				}
				if state != "" && !strings.Contains(", "+stateNames()+",", ", "+state+",") {
					return &fault.Error{Kind: fault.Invalid, Code: "state", Detail: fmt.Sprintf("there is no state %q", state), Hint: "take one of " + stateNames()}
				}
				if f.app != "" {
					one, err := a.Apps.Application(ctx, f.app)
					if err != nil {
						return err
					}
					filter.App = one.ID
				}
				if f.asJSON {
					return listJSON(ctx, cmd, a, filter)
				}
				return listTable(ctx, cmd.OutOrStdout(), a, filter)
			})
		},
	}
	f.add(c)
	c.Flags().Lookup("app").Usage = "only the crons of this application"
	c.Flags().Lookup("json").Usage = "print one JSON array"
	c.Flags().StringVar(&state, "state", "", "only those in this state")
	return c
}

func stateNames() string {
	var names []string
	for _, s := range ledger.States() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// eachCron runs fn for every cron of a filter, with one page in memory.
func eachCron(ctx context.Context, a *app.Admin, filter ledger.CronFilter, fn func(*ledger.CronStatus) error) error {
	for {
		page, err := a.Ledger.Crons(ctx, filter)
		if err != nil {
			return err
		}
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < filter.Limit {
			return nil
		}
		filter.After = filter.Next(page[len(page)-1])
	}
}

func listJSON(ctx context.Context, cmd *cobra.Command, a *app.Admin, filter ledger.CronFilter) error {
	shown := []ledgerjson.Cron{}
	err := eachCron(ctx, a, filter, func(c *ledger.CronStatus) error {
		shown = append(shown, ledgerjson.OfCron(c))
		return nil
	})
	if err != nil {
		return err
	}
	return printJSON(cmd, shown)
}

func listTable(ctx context.Context, out io.Writer, a *app.Admin, filter ledger.CronFilter) error {
	now := a.Now()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "APP\tSLUG\tID\tSTATE\tSCHEDULE\tLAST START\tLAST STATUS\tNEXT")
	err := eachCron(ctx, a, filter, func(c *ledger.CronStatus) error {
		started, status := "never", ""
		if c.Last != nil {
			started, status = cell(c.Last.StartedAt, ""), string(c.Last.Status)
		}
		_, err := fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", c.App, c.Slug, c.ID, inShort(c, now), planned(c), started, status, cell(c.ExpectedAt, ""))
		return err
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// planned is a cron's schedule, with its zone where that matters.
func planned(c *ledger.CronStatus) string {
	if c.Schedule == "" || c.Zone == "UTC" || strings.HasPrefix(c.Schedule, "every ") {
		return c.Schedule
	}
	return c.Schedule + " " + c.Zone
}

// shownExecutions is how many executions cron show shows.
const shownExecutions = 10

func newCronShow() *cobra.Command {
	var f cronFlags
	c := &cobra.Command{
		Use: "show SLUG|ID", Short: "Show a cron, its settings and its last executions", Args: oneArg("SLUG or ID"),
		Long: `Show a cron, its settings and its last executions. With --json it is the cron alone, as
GET /api/v1/crons/{id} gives it.`,
		Example: "  ferryman cron show nightly-import\n  ferryman cron show 12 --json | jq .state",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, a *app.Admin) error {
				of, ref, err := f.find(ctx, a, args[0])
				if err != nil {
					return err
				}
				c, err := a.Ledger.CronStatus(ctx, of, ref)
				if err != nil {
					return err
				}
				if f.asJSON {
					return printJSON(cmd, ledgerjson.OfCron(&c))
				}
				last, _, err := a.Ledger.Executions(ctx, ledger.ExecutionFilter{Cron: c.ID, Limit: shownExecutions})
				if err != nil {
					return err
				}
				return showCron(cmd.OutOrStdout(), &c, last, a.Now())
			})
		},
	}
	f.add(c)
	return c
}

func showCron(out io.Writer, c *ledger.CronStatus, last []ledger.ListedExecution, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	limit := "none"
	if n := c.Limit(); n > 0 {
		limit = strconv.FormatInt(n, 10)
	}
	tell := "first failure"
	if c.FailAfter > 1 {
		tell = fmt.Sprintf("%d failures in a row", c.FailAfter)
	}
	keep := fmt.Sprintf("%d executions", c.KeepRuns)
	if c.KeepFor > 0 {
		keep += ", for " + c.KeepFor.String()
	}
	for _, line := range [][2]string{
		{"Cron", fmt.Sprintf("%s/%s, id %d", c.App, c.Slug, c.ID)}, {"Name", c.Name}, {"State", inShort(c, now)},
		{"Schedule", orNone(planned(c))}, {"Grace", c.Grace.String()}, {"Next start", cell(c.ExpectedAt, "not expected")},
		{"Running", fmt.Sprintf("%d, limit %s, overlap %s", c.Running, limit, c.Overlap)}, {"Max runtime", orNone(length(c.MaxRuntime))},
		{"Heartbeat", orNone(length(c.Heartbeat))}, {"Tells of", tell}, {"Keeps", keep},
		{"Last success", cell(c.LastSuccess, "none that is known")}, {"Failures", fmt.Sprintf("%d in a row", c.Failures)},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	if len(last) > 0 {
		fmt.Fprintln(w, "\nEXECUTION\tSTATUS\tSTARTED\tTOOK\tHOST\tDETAIL")
	}
	for _, e := range last {
		took := ""
		if !e.EndedAt.IsZero() {
			took = e.EndedAt.Sub(e.StartedAt).Round(time.Millisecond).String()
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Status, cell(e.StartedAt, ""), took, oneLine(e.Holder), oneLine(e.Detail))
	}
	return w.Flush()
}

// oneLine is a text of an application's, fit for a table on a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func length(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
