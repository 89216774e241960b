package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

// cronFlags are what all commands about crons have.
type cronFlags struct {
	app    string
	asJSON bool
}

func (f *cronFlags) add(c *cobra.Command) {
	addAdminFlags(c)
	c.Flags().StringVar(&f.app, "app", "", "application that the cron belongs to; needed only if others have one of this slug")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object")
}

// with runs fn on the store, and tells flags whose values are wrong by their names.
func (f *cronFlags) with(cmd *cobra.Command, fn func(ctx context.Context, a *app.Admin) error) error {
	err := withAdmin(cmd, fn)
	wrong, ok := errors.AsType[*fault.Error](err)
	if !ok || wrong.Kind != fault.Unprocessable {
		return err
	}
	lines := make([]string, len(wrong.Fields))
	for i, field := range wrong.Fields {
		lines[i] = ofFlag(flagOf(cmd, field.Pointer), field.Detail)
	}
	return usageError{cmd, errors.New(strings.Join(lines, "\n  "))}
}

// ofFlag joins a flag and what is wrong with its value, which most often goes on the sentence.
func ofFlag(flag, detail string) string {
	if first, _, _ := strings.Cut(detail, " "); first == "must" || first == "is" || first == "has" {
		return flag + " " + detail
	}
	return flag + ": " + detail
}

// flagOf is the flag that holds a member of the JSON.
func flagOf(cmd *cobra.Command, pointer string) string {
	name := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(pointer, "/"), "_seconds"), "_", "-")
	if cmd.Flags().Lookup(name) == nil {
		return "SLUG"
	}
	return "--" + name
}

// find gives the application and the reference of the cron that an argument
// names; the application is 0 if the reference says it all.
func (f *cronFlags) find(ctx context.Context, a *app.Admin, arg string) (int64, ledger.Ref, error) {
	ref, ok := ledger.ParseRef(arg)
	if !ok {
		return 0, ledger.Ref{}, &fault.Error{Kind: fault.Invalid, Code: "cron_name", Detail: fmt.Sprintf("%q is neither a slug nor an id", arg)}
	}
	if f.app != "" {
		one, err := a.Apps.Application(ctx, f.app)
		return one.ID, ref, err
	}
	if ref.ID != 0 {
		return 0, ref, nil
	}
	named, err := a.Ledger.Named(ctx, ref.Slug)
	if err != nil {
		return 0, ledger.Ref{}, fmt.Errorf("%q: %w", ref.Slug, err)
	}
	if len(named) > 1 {
		apps := make([]string, len(named))
		for i, c := range named {
			apps[i] = c.App
		}
		return 0, ledger.Ref{}, &fault.Error{
			Kind: fault.Invalid, Code: "cron_ambiguous", Detail: fmt.Sprintf("several applications have a cron %q: %s", ref.Slug, strings.Join(apps, ", ")),
			Hint: "name one of them with --app",
		}
	}
	return 0, ledger.Ref{ID: named[0].ID}, nil
}

// tell prints a cron that was changed.
func (f *cronFlags) tell(ctx context.Context, cmd *cobra.Command, a *app.Admin, id int64) error {
	c, err := a.Ledger.CronStatus(ctx, 0, ledger.Ref{ID: id})
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(cmd, ledgerjson.OfCron(&c))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s/%s is %s\n", c.App, c.Slug, inShort(&c, a.Now()))
	return err
}

// inShort is how a cron stands, in a few words.
func inShort(c *ledger.CronStatus, now time.Time) string {
	s := string(c.State)
	if c.State == ledger.StatePaused {
		s += " until " + cell(c.PausedUntil, "")
	}
	switch {
	case c.Muted:
		s += ", muted"
	case c.SnoozedUntil.After(now):
		s += ", snoozed until " + cell(c.SnoozedUntil, "")
	}
	return s
}

func newCronAdd() *cobra.Command {
	var f cronFlags
	var s cronSettings
	var inactive, ifMissing bool
	c := &cobra.Command{
		Use: "add SLUG --app NAME", Short: "Add a cron and print its id",
		Long: `Add a cron to an application and print its id. SLUG is what calls name it by: up to 100
of a-z, 0-9, _ and -, with at least one letter.

` + aboutSettings,
		Example: `  ferryman cron add nightly-import --app shop --schedule "30 3 * * *" --timezone Europe/Berlin
  ferryman cron add heartbeat --app shop --schedule "every 10m" --grace 2m
  ferryman cron add payout --app shop --overlap forbid --max-runtime 1h --if-missing`,
		Args: oneArg("SLUG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.app == "" {
				return usageError{cmd, errors.New("--app is needed: the application that the cron belongs to")}
			}
			return f.with(cmd, func(ctx context.Context, a *app.Admin) error {
				of, err := a.Apps.Application(ctx, f.app)
				if err != nil {
					return err
				}
				settings := ledger.DefaultSettings()
				s.apply(cmd, &settings)
				settings.Active = !inactive
				made, err := a.Ledger.Create(ctx, of.ID, args[0], settings)
				if ifMissing && errors.Is(err, ledger.ErrExists) {
					made, err = a.Ledger.Cron(ctx, of.ID, ledger.Ref{Slug: args[0]})
				}
				if err != nil {
					return err
				}
				s.warn(cmd, made.Settings)
				if f.asJSON {
					return f.tell(ctx, cmd, a, made.ID)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), made.ID)
				return err
			})
		},
	}
	f.add(c)
	c.Flags().Lookup("app").Usage = "application that the cron belongs to"
	s.add(c)
	c.Flags().BoolVar(&inactive, "inactive", false, "refuse its starts until cron resume")
	c.Flags().BoolVar(&ifMissing, "if-missing", false, "that it is there already is no error, and changes nothing")
	return c
}

func newCronEdit() *cobra.Command {
	var f cronFlags
	var s cronSettings
	var slug string
	var active bool
	c := &cobra.Command{
		Use: "edit SLUG", Short: "Change what a cron's flags say",
		Long: `Change what is decided about a cron, given by its slug or its id; what is not named
stays as it is. The slug that it had before goes on to find it until another takes it.

` + aboutSettings,
		Example: `  ferryman cron edit nightly-import --grace 15m --fail-after 3
  ferryman cron edit nightly-import --slug import --schedule ""
  ferryman cron edit payout --max-runtime 0`,
		Args: oneArg("SLUG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var changed ledger.Settings
			err := f.change(cmd, args[0], func(given *string, settings *ledger.Settings) {
				s.apply(cmd, settings)
				if cmd.Flags().Changed("active") {
					settings.Active = active
				}
				if cmd.Flags().Changed("slug") {
					*given = slug
				}
				changed = *settings
			})
			if err == nil {
				s.warn(cmd, changed)
			}
			return err
		},
	}
	f.add(c)
	s.add(c)
	c.Flags().StringVar(&slug, "slug", "", "another slug")
	c.Flags().BoolVar(&active, "active", true, "whether it may start")
	return c
}

func newCronMute(on bool) *cobra.Command {
	var f cronFlags
	c := &cobra.Command{
		Use: "mute SLUG", Short: "Record a cron's troubles and tell nobody", Args: oneArg("SLUG"),
		Example: "  ferryman cron mute nightly-import",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.change(cmd, args[0], func(_ *string, s *ledger.Settings) { s.Muted = on })
		},
	}
	if !on {
		c.Use, c.Short, c.Example = "unmute SLUG", "Tell of a cron's troubles again, also of those that stand", "  ferryman cron unmute nightly-import"
	}
	f.add(c)
	return c
}

func (f *cronFlags) change(cmd *cobra.Command, arg string, edit func(slug *string, s *ledger.Settings)) error {
	return f.alter(cmd, arg, func(ctx context.Context, a *app.Admin, of int64, ref ledger.Ref) (ledger.Cron, error) {
		return a.Ledger.Change(ctx, of, ref, edit)
	})
}

// alter finds a cron, changes it and tells how it stands.
func (f *cronFlags) alter(cmd *cobra.Command, arg string, fn func(context.Context, *app.Admin, int64, ledger.Ref) (ledger.Cron, error)) error {
	return f.with(cmd, func(ctx context.Context, a *app.Admin) error {
		of, ref, err := f.find(ctx, a, arg)
		if err != nil {
			return err
		}
		changed, err := fn(ctx, a, of, ref)
		if err != nil {
			return err
		}
		return f.tell(ctx, cmd, a, changed.ID)
	})
}

func newCronRemove() *cobra.Command {
	var f cronFlags
	c := &cobra.Command{
		Use: "rm SLUG", Short: "Delete a cron",
		Long: `Delete a cron. It starts no more and its slug is free at once; executions that run may
still end and say so. What is known of its executions is removed later, by and by.`,
		Example: "  ferryman cron rm nightly-import",
		Args:    oneArg("SLUG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, a *app.Admin) error {
				of, ref, err := f.find(ctx, a, args[0])
				if err != nil {
					return err
				}
				gone, err := a.Ledger.Delete(ctx, of, ref)
				if err != nil {
					return err
				}
				if f.asJSON {
					return printJSON(cmd, map[string]string{"removed": gone.Slug})
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), gone.Slug)
				return err
			})
		},
	}
	f.add(c)
	return c
}

func newCronRelease() *cobra.Command {
	var f cronFlags
	c := &cobra.Command{
		Use: "release SLUG|EXECUTION", Short: "Free the places of executions that hang",
		Long: `End a running execution, given by its id, or all that run of a cron, given by its slug,
as cancelled, so that the next start finds a place. It stops no process: an
application may still report how its execution ended.`,
		Example: "  ferryman cron release nightly-import\n  ferryman cron release 84213",
		Args:    oneArg("SLUG or EXECUTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, a *app.Admin) error {
				released, err := f.release(ctx, cmd, a, args[0])
				if err != nil {
					return err
				}
				if f.asJSON {
					return printJSON(cmd, map[string]int{"released": released})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s released\n", count(int64(released), "execution"))
				return err
			})
		},
	}
	f.add(c)
	return c
}

func (f *cronFlags) release(ctx context.Context, cmd *cobra.Command, a *app.Admin, arg string) (int, error) {
	const why = "released at the command line"
	of, ref, err := f.find(ctx, a, arg)
	if err != nil {
		return 0, err
	}
	if ref.ID == 0 || !isID(arg) {
		released, err := a.Ledger.ReleaseAll(ctx, of, ref, why)
		if err == nil || released > 0 {
			cmd.Annotations = map[string]string{didCount: fmt.Sprintf("%d runs", released)}
		}
		return released, err
	}
	_, err = a.Ledger.Release(ctx, of, ref.ID, why)
	return 1, err
}

func isID(arg string) bool {
	_, ok := ledger.ParseID(arg)
	return ok
}
