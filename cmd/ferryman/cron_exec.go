package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/cronexec"
)

func newCronExec() *cobra.Command {
	var o cronexec.Options
	var unreachable string
	c := &cobra.Command{
		Use: "exec SLUG [flags] -- COMMAND [ARGUMENT…]", Short: "Run a command and report it to a server",
		Long: `Run a command as an execution of the cron SLUG (or its id): ask the server at
FERRYMAN_URL for the start with the key FERRYMAN_API_KEY, run the command, report
how it ended with the last 64 KiB of its output.

If the server refuses the start, because the cron is inactive or already running,
the command is not run, quietly unless standard error is a terminal. Without an answer, or with wrong settings, it
runs all the same after 15 seconds at most, with a line on standard error;
--if-unreachable fail is for commands that must not run unguarded. A report that
cannot be delivered waits in FERRYMAN_SPOOL_DIR and is sent by the next run.

The command has the standard input as it is. Its output passes through pipes as it
comes; what a process that it left in the background prints more than 2 seconds
after its end is lost. SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and
SIGWINCH are handed to it, but not what a terminal sends by itself to all of its
foreground: SIGINT, SIGQUIT and SIGWINCH are left to the terminal while the
command is there. The command finds FERRYMAN_CRON and, if the start was answered,
FERRYMAN_EXECUTION_ID in its environment; and TRACEPARENT, if the run is traced
(OTEL_EXPORTER_OTLP_ENDPOINT).

Exit codes: the command's own; 128+N if signal N ended it; 126 it could not be
run; 127 it was not found; --refused-exit if the server refused; 75 not run for
want of an answer, with --if-unreachable fail; 1 wrong usage.

` + config.Usage(config.ExecSection),
		Example: `  ferryman cron exec nightly-import -- /usr/local/bin/import --all
  ferryman cron exec backup --stream -- sh -c 'pg_dump shop | zstd > /backup/shop.zst'
  ferryman cron exec payout --if-unreachable fail --refused-exit 3 -- payout`,
		Args: execArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch unreachable {
			case "run":
			case "fail":
				o.FailUnreachable = true
			default:
				return usageError{cmd, fmt.Errorf("--if-unreachable is %q, expected run or fail", unreachable)}
			}
			if o.RefusedExit < 0 || o.RefusedExit > 255 {
				return usageError{cmd, fmt.Errorf("--refused-exit is %d, expected 0 to 255", o.RefusedExit)}
			}
			o.Slug, o.Command = args[0], args[1:]
			endTraces := execSettings(cmd, &o)
			defer endTraces()
			// From here on signals are the command's: the first must not call
			// anything off, and the second must not end this process.
			signal.Reset(syscall.SIGINT, syscall.SIGTERM)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if code := cronexec.Run(context.WithoutCancel(cmd.Context()), o); code != exitOK {
				return exitError(code)
			}
			return nil
		},
	}
	config.AddFlags(c.Flags(), config.FileSection)
	c.Flags().StringVar(&unreachable, "if-unreachable", "run", "what to do if the server does not answer the start: run or fail")
	c.Flags().IntVar(&o.RefusedExit, "refused-exit", exitOK, "exit code if the server refuses the start")
	c.Flags().BoolVar(&o.Stream, "stream", false, "send the output line by line while the command runs; standard error as warnings")
	c.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "tell on standard error what is going on")
	return c
}

// execArgs demands the slug before the -- and the command after it, so that no
// flag of the command is taken for one of ours.
func execArgs(cmd *cobra.Command, args []string) error {
	var err error
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0 && len(args) > 1:
		err = errors.New("the -- before the command is missing")
	case len(args) == 0 || dash == 0 || args[0] == "":
		err = errors.New("the slug of the cron is missing")
	case dash > 1:
		err = fmt.Errorf("unknown argument %q before the --", args[1])
	case len(args) < 2 || args[1] == "":
		err = errors.New("the command is missing: put it behind a --")
	default:
		return nil
	}
	return usageError{cmd, err}
}

// execSettings loads the settings. Whatever is wrong with them keeps the command
// from nothing. endTraces is to be called when the run is over.
func execSettings(cmd *cobra.Command, o *cronexec.Options) (endTraces func()) {
	o.Environ, o.Version = os.Environ(), version
	o.Stdin, o.Stdout, o.Stderr = os.Stdin, os.Stdout, os.Stderr
	in, err := config.Process(cmd.Flags())
	if err != nil {
		o.Settings = err
		return func() {}
	}
	in.Sections = []config.Section{config.FileSection, config.StoreSection, config.ExecSection, config.TracesSection}
	in.Ignore = []string{"FERRYMAN_STORE_URL", "FERRYMAN_SQLITE_SYNCHRONOUS"}
	c, warnings, err := config.Load(in)
	o.Settings = err
	o.TLS = knownBy(c.Exec.Cert)
	o.URL, o.Key, o.SpoolDir = c.Exec.URL, c.Exec.Key.Reveal(), c.Exec.SpoolDir
	for _, w := range warnings {
		if o.Verbose || o.URL == "" || o.Key == "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "ferryman: warning:", w)
		}
	}
	log := slog.New(slog.DiscardHandler) // a cron would mail every line
	if o.Verbose {
		log = newLogger(cmd.ErrOrStderr(), config.Log{})
	}
	if o.Tracer, endTraces, err = app.Tracer(cmd.Context(), app.Options{Config: c, Version: version, Log: log}); err != nil {
		log.Warn("nothing is traced", "err", err)
	}
	return endTraces
}
