package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

func newMaintenance() *cobra.Command {
	return group("maintenance", "Manage the times in which troubles of crons are not told",
		newMaintenanceAdd(), newMaintenanceList(), newMaintenanceRemove())
}

func newMaintenanceAdd() *cobra.Command {
	var f cronFlags
	var slug, from, until, length string
	var all bool
	var w ledger.Window
	c := &cobra.Command{
		Use: "add --reason TEXT", Short: "Add a maintenance window and print its id",
		Long: `Add a maintenance window and print its id: a time in which troubles of one cron, of all
of an application, or of every one, are recorded and not told. Those that still
stand when it ends are told then. Crons may start all the while.

A time is a moment such as 2027-01-31T18:00:00Z, a day, or how long from now.`,
		Example: `  ferryman maintenance add --app shop --for 2h --reason "moving the database"
  ferryman maintenance add --cron nightly-import --from 2027-01-31T18:00:00Z --until 2027-02-01T06:00:00Z --reason upgrade
  ferryman maintenance add --all --for 30m --reason "network"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case all == (f.app != "" || slug != ""):
				return usageError{cmd, errors.New("give --app, --cron or both, or else --all")}
			case (until == "") == (length == ""):
				return usageError{cmd, errors.New("give one of --until and --for")}
			}
			return withMaintenance(cmd, func(ctx context.Context, a *app.Admin) (err error) {
				if w.AppID, w.CronID, err = f.scope(ctx, a, slug); err != nil {
					return err
				}
				if w.StartsAt, w.EndsAt, err = windowTimes(from, until, length, a.Now()); err != nil {
					return err
				}
				added, err := a.Ledger.AddMaintenance(ctx, w)
				if err != nil {
					return err
				}
				if f.asJSON {
					return printJSON(cmd, ledgerjson.OfWindow(&added))
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), added.ID)
				return err
			})
		},
	}
	f.add(c)
	c.Flags().Lookup("app").Usage = "application that it is for"
	c.Flags().StringVar(&slug, "cron", "", "cron that it is for, by slug or id")
	c.Flags().BoolVar(&all, "all", false, "for every application")
	c.Flags().StringVar(&from, "from", "", "when it begins (default now)")
	c.Flags().StringVar(&until, "until", "", "when it ends")
	c.Flags().StringVar(&length, "for", "", "how long it lasts, such as 2h")
	c.Flags().StringVar(&w.Reason, "reason", "", "what is being done")
	return c
}

// scope gives the application and the cron that the flags name; 0 for every one.
func (f *cronFlags) scope(ctx context.Context, a *app.Admin, slug string) (of, cron int64, err error) {
	if slug == "" {
		if f.app == "" {
			return 0, 0, nil
		}
		one, err := a.Apps.Application(ctx, f.app)
		return one.ID, 0, err
	}
	of, ref, err := f.find(ctx, a, slug)
	if err != nil {
		return 0, 0, err
	}
	found, err := a.Ledger.Cron(ctx, of, ref)
	return found.AppID, found.ID, err
}

// windowTimes reads when a window begins and ends.
func windowTimes(from, until, length string, now time.Time) (begin, end time.Time, err error) {
	begin = now
	if from != "" {
		if begin, err = optionalMoment("from", from, now); err != nil {
			return begin, end, err
		}
	}
	if length == "" {
		end, err = optionalMoment("until", until, now)
		return begin, end, err
	}
	d, err := parseSpan(length)
	if err != nil {
		return begin, end, &fault.Error{Kind: fault.Invalid, Code: "time", Detail: "--for " + err.Error()}
	}
	return begin, begin.Add(d), nil
}

// withMaintenance is withAdmin, and tells flags whose values are wrong by their
// names.
func withMaintenance(cmd *cobra.Command, fn func(ctx context.Context, a *app.Admin) error) error {
	err := withAdmin(cmd, fn)
	wrong, ok := errors.AsType[*fault.Error](err)
	if !ok || wrong.Kind != fault.Unprocessable {
		return err
	}
	flags := map[string]string{"/starts_at": "--from", "/ends_at": "the end", "/reason": "--reason"}
	lines := make([]string, len(wrong.Fields))
	for i, field := range wrong.Fields {
		lines[i] = ofFlag(flags[field.Pointer], field.Detail)
	}
	return usageError{cmd, errors.New(strings.Join(lines, "\n  "))}
}

func newMaintenanceList() *cobra.Command {
	var f cronFlags
	var past bool
	c := &cobra.Command{
		Use: "list", Short: "List the maintenance windows that are not over", Args: noArgs,
		Example: "  ferryman maintenance list\n  ferryman maintenance list --app shop --past --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				of, _, err := f.scope(ctx, a, "")
				if err != nil {
					return err
				}
				all, err := windows(ctx, a, of, past)
				if err != nil {
					return err
				}
				if f.asJSON {
					shown := make([]ledgerjson.Window, len(all))
					for i := range all {
						shown[i] = ledgerjson.OfWindow(&all[i])
					}
					return printJSON(cmd, shown)
				}
				t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "ID\tAPP\tCRON\tFROM\tUNTIL\tREASON")
				for _, w := range all {
					fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", w.ID, orAll(w.App), orAll(w.Cron), cell(w.StartsAt, ""), cell(w.EndsAt, ""), w.Reason)
				}
				return t.Flush()
			})
		},
	}
	f.add(c)
	c.Flags().Lookup("app").Usage = "only the windows that hold for this application"
	c.Flags().Lookup("json").Usage = "print one JSON array"
	c.Flags().BoolVar(&past, "past", false, "those that are over as well")
	return c
}

func orAll(name string) string {
	if name == "" {
		return "all"
	}
	return name
}

// windows gives all windows, page by page.
func windows(ctx context.Context, a *app.Admin, of int64, past bool) (all []ledger.Window, err error) {
	for after := int64(0); ; after = all[len(all)-1].ID {
		page, err := a.Ledger.Maintenance(ctx, of, past, after, 1000)
		all = append(all, page...)
		if err != nil || len(page) == 0 {
			return all, err
		}
	}
}

func newMaintenanceRemove() *cobra.Command {
	var f cronFlags
	c := &cobra.Command{
		Use: "rm ID", Short: "Remove a maintenance window, or end it",
		Long: `Remove a maintenance window. If it is open, troubles that it kept back and that still
stand are told now.`,
		Example: "  ferryman maintenance rm 7",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, ok := ledger.ParseID(args[0])
			if !ok {
				return usageError{cmd, fmt.Errorf("%q is no id", args[0])}
			}
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				of, _, err := f.scope(ctx, a, "")
				if err != nil {
					return err
				}
				if _, err := a.Ledger.RemoveMaintenance(ctx, of, id); err != nil {
					return err
				}
				if f.asJSON {
					return printJSON(cmd, map[string]int64{"removed": id})
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
				return err
			})
		},
	}
	f.add(c)
	c.Flags().Lookup("app").Usage = "only if it is of this application"
	return c
}
