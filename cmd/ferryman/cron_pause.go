package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

func newCronPause() *cobra.Command {
	var f cronFlags
	var until string
	c := &cobra.Command{
		Use: "pause SLUG", Short: "Refuse a cron's starts, for a time or until it is resumed",
		Long: `Refuse the starts of a cron: until a time or for as long as --until says, otherwise until
cron resume. Starts are not expected meanwhile. What runs goes on.`,
		Example: "  ferryman cron pause nightly-import\n  ferryman cron pause nightly-import --until 2h\n  ferryman cron pause nightly-import --until 2027-01-31T18:00:00Z",
		Args:    oneArg("SLUG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.alter(cmd, args[0], func(ctx context.Context, a *app.Admin, of int64, ref ledger.Ref) (ledger.Cron, error) {
				at, err := optionalMoment("until", until, a.Now())
				if err != nil {
					return ledger.Cron{}, err
				}
				return a.Ledger.Pause(ctx, of, ref, at)
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&until, "until", "", "a time, or how long from now (default until it is resumed)")
	return c
}

func newCronResume() *cobra.Command {
	var f cronFlags
	c := &cobra.Command{
		Use: "resume SLUG", Short: "Let a cron start again", Args: oneArg("SLUG"),
		Example: "  ferryman cron resume nightly-import",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.alter(cmd, args[0], func(ctx context.Context, a *app.Admin, of int64, ref ledger.Ref) (ledger.Cron, error) {
				return a.Ledger.Resume(ctx, of, ref)
			})
		},
	}
	f.add(c)
	return c
}

func newCronSnooze() *cobra.Command {
	var f cronFlags
	var until, length string
	var off bool
	c := &cobra.Command{
		Use: "snooze SLUG", Short: "Tell nobody of a cron's troubles for a time",
		Long: `Keep a cron's troubles from being told until a time. They are recorded, and told then if
they still stand. --off ends it.`,
		Example: "  ferryman cron snooze nightly-import --for 4h\n  ferryman cron snooze nightly-import --until 2027-01-31\n  ferryman cron snooze nightly-import --off",
		Args:    oneArg("SLUG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (until != "") == (length != "") && !off || off && until+length != "" {
				return usageError{cmd, errors.New("give one of --until, --for and --off")}
			}
			return f.alter(cmd, args[0], func(ctx context.Context, a *app.Admin, of int64, ref ledger.Ref) (ledger.Cron, error) {
				name, text := "until", until
				if length != "" {
					name, text = "for", length
				}
				at, err := optionalMoment(name, text, a.Now())
				if err != nil {
					return ledger.Cron{}, err
				}
				return a.Ledger.Snooze(ctx, of, ref, at)
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&until, "until", "", "a time, or how long from now")
	c.Flags().StringVar(&length, "for", "", "how long, such as 4h")
	c.Flags().BoolVar(&off, "off", false, "tell of them again")
	return c
}

// optionalMoment is moment, and the zero time for none.
func optionalMoment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := moment(flag, text, now)
	if err != nil {
		return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "time", Detail: err.Error()}
	}
	return at, nil
}
