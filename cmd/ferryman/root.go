package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ferryman/internal/config"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ferryman",
		Short: "Carries data across, and keeps the book of every crossing",
		Long: `Ferryman keeps the book of what an organisation's crons do, which any application may
report, sends messages to people on messengers, once each and at their time, and pulls
data from the APIs that it depends on into SQL.

Settings come from flags, a .env file, or the environment; ` + "`ferryman config show`" + `
tells what is in force and where it comes from.

` + exitCodes,
		Example: `  ferryman serve --sandbox            # try it, against a simulated warehouse API
  ferryman serve                      # sync on an interval, and answer HTTP
  ferryman warehouses sync            # one sync now, for a crontab or a terminal
  ferryman contacts sync --campaign sales       # contacts of a campaign, into SQL or to a web service
  ferryman app add shop               # an application that reports its crons
  ferryman key create --app shop      # the key that it does so with
  ferryman cron add import --app shop # a cron
  ferryman cron exec import -- job    # run a job and report it
  ferryman alert add --via telegram --to 123    # who is told when one fails
  ferryman push send --via telegram --to 123 --text hello
  ferryman config show                # what is set, and where`,
		SilenceUsage:  true,
		SilenceErrors: true, // finish reports them
		Version:       version,
		Args:          noArgs,
		RunE:          help,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{cmd, err} })
	root.AddCommand(
		newServe(), newApp(), newKey(), newCron(), newMaintenance(), newAlert(),
		newPush(), newWebhook(), newOutbox(), newNode(), newWarehouses(), newContacts(), newBackup(), newRestore(), newExport(), newImport(),
		newMigrate(), newConfig(), newDoctor(), newHealth(), newVersion(), newMan(),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noArgs, RunE: help,
	}
	c.AddCommand(children...)
	return c
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// noArgs refuses arguments as a mistake in usage.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = "; did you mean " + strings.Join(similar, ", ") + "?"
	}
	return usageError{cmd, fmt.Errorf("unknown argument %q%s", args[0], hint)}
}

// settings loads the configuration for a command and makes its logger. A level
// that nobody chose is least. Warnings go to the log, on standard error.
func settings(cmd *cobra.Command, least slog.Level) (config.Config, *slog.Logger, error) {
	in, err := config.Process(cmd.Flags())
	if err != nil {
		return config.Config{}, nil, err
	}
	return load(cmd, in, least)
}

func load(cmd *cobra.Command, in config.Input, least slog.Level) (config.Config, *slog.Logger, error) {
	c, warnings, err := config.Load(in)
	if err != nil {
		return c, nil, err
	}
	chosen := slices.ContainsFunc(c.Show(), func(s config.Shown) bool {
		return s.Name == "FERRYMAN_LOG_LEVEL" && s.Origin != config.FromDefault
	})
	if !chosen {
		c.Log.Level = least
	}
	log := newLogger(cmd.ErrOrStderr(), c.Log)
	for _, w := range warnings {
		log.Warn("setting", "name", w.Name, "problem", w.Detail)
	}
	return c, log, nil
}

func newLogger(w io.Writer, c config.Log) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.Level, ReplaceAttr: logged}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// logged gives times in UTC, like everything else that Ferryman tells, and
// durations with their unit.
func logged(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindTime:
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
