package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// adminSections are the settings that administrative commands go by. They are no
// business of the upstream's or the server's.
func adminSections() []config.Section {
	return []config.Section{config.FileSection, config.StoreSection, config.LogSection}
}

// addAdminFlags adds the flags that all administrative commands have.
func addAdminFlags(c *cobra.Command) {
	config.AddFlags(c.Flags(), adminSections()...)
	c.Flags().Bool("sandbox", false, "work on the store of serve --sandbox")
}

// adminSettings loads the settings of an administrative command.
func adminSettings(cmd *cobra.Command) (config.Config, *slog.Logger, error) {
	in, err := config.Process(cmd.Flags())
	if err != nil {
		return config.Config{}, nil, err
	}
	in.Sections = adminSections()
	if sandbox, _ := cmd.Flags().GetBool("sandbox"); sandbox {
		return loadSandbox(cmd, in, slog.LevelWarn)
	}
	return load(cmd, in, slog.LevelWarn)
}

// withAdmin runs fn on the store, and closes it. What fn finds wrong with the
// arguments is a mistake in usage.
func withAdmin(cmd *cobra.Command, fn func(ctx context.Context, a *app.Admin) error) error {
	c, log, err := adminSettings(cmd)
	if err != nil {
		return err
	}
	o := app.Options{Config: c, Version: version, Log: log, StoreMustExist: !mayMakeStore(cmd), StoreMade: tellMade(cmd.ErrOrStderr())}
	a, err := app.OpenAdmin(cmd.Context(), o)
	if err != nil {
		return whichStore(cmd, c, err)
	}
	defer a.Close() //nolint:errcheck // everything is durable by now
	err = noting(cmd.Context(), cmd, a, fn)
	switch {
	case fault.KindOf(err) == fault.Invalid:
		return usageError{cmd, err}
	case errors.Is(err, ledger.ErrNoCron): // the ledger tells this to applications, which have no command line
		return &fault.Error{Kind: fault.NotFound, Code: fault.CodeOf(err), Err: err, Hint: "see ferryman cron list"}
	}
	return err
}

// oneArg wants exactly one argument, called name in the help.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return usageError{cmd, fmt.Errorf("wants one argument, %s, and got %d", name, len(args))}
	}
}

// cell is a time in a table; none is what a zero time means there.
func cell(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.RFC3339)
}

// count is so many of something whose plural ends with s.
func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// optional is a time in JSON: null if it is zero.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
