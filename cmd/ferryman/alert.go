package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/alert"
	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

func newAlert() *cobra.Command {
	return group("alert", "Manage who is told when crons are in trouble", newAlertAdd(), newAlertList(), newAlertRemove(), newAlertTest())
}

// shownRecipient is a recipient of alerts for scripts.
type shownRecipient struct {
	ID        int64              `json:"id"`
	Via       string             `json:"via"`
	To        string             `json:"to"`
	App       *string            `json:"app"` // null: every application
	On        []ledger.EventKind `json:"on"`
	CreatedAt time.Time          `json:"created_at"`
}

func showRecipient(r alert.Recipient) shownRecipient {
	return shownRecipient{r.ID, r.Channel, r.Address, ledgerjson.OrNull(r.App), r.Kinds, r.CreatedAt}
}

func newAlertAdd() *cobra.Command {
	var r alert.Recipient
	var on []string
	var asJSON bool
	c := &cobra.Command{
		Use: "add --via CHANNEL --to RECIPIENT", Short: "Add somebody who is told of events, and print the id",
		Long: `Add a chat, a person or a webhook that is told of events of crons, and print its id. A
running server goes by it at once. What has happened before is not told.

Without --on these are missed starts, overdue runs, failures in a row, and that each
of these is over. Also known are failed and succeeded, for crons that are set to
tell of every failure or success.`,
		Example: `  ferryman alert add --via telegram --to 123456789
  ferryman alert add --via whatsapp --to 4366012345678 --app shop --on missed,failing
  ferryman alert add --via webhook/pager`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.Channel == "" {
				return usageError{cmd, errors.New("--via is needed: the channel, such as telegram or webhook/NAME")}
			}
			for _, kind := range on {
				r.Kinds = append(r.Kinds, ledger.EventKind(strings.TrimSpace(kind)))
			}
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				added, err := a.Alerts.Add(ctx, r)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, showRecipient(added))
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), added.ID)
				return err
			})
		},
	}
	addAdminFlags(c)
	c.Flags().StringVar(&r.Channel, "via", "", "channel: "+strings.Join(alert.Messengers(), ", ")+" or webhook/NAME")
	c.Flags().StringVar(&r.Address, "to", "", "chat or person, by the id that the channel has for it; none for a webhook")
	c.Flags().StringVar(&r.App, "app", "", "only events of this application's crons (default every application's)")
	c.Flags().StringSliceVar(&on, "on", nil, "kinds of events (default "+kindNames(alert.DefaultKinds())+")")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	_ = c.RegisterFlagCompletionFunc("via", cobra.FixedCompletions(append(alert.Messengers(), "webhook/"), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

func kindNames(kinds []ledger.EventKind) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, ",")
}

func newAlertList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List who is told of events", Args: noArgs,
		Example: "  ferryman alert list\n  ferryman alert list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				all, err := a.Alerts.List(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					shown := make([]shownRecipient, len(all))
					for i, r := range all {
						shown[i] = showRecipient(r)
					}
					return printJSON(cmd, shown)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tVIA\tTO\tAPP\tON\tCREATED")
				for _, r := range all {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Channel, r.Address, orAll(r.App), kindNames(r.Kinds), cell(r.CreatedAt, ""))
				}
				return w.Flush()
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func newAlertRemove() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "rm ID", Short: "Tell somebody no more",
		Example: "  ferryman alert rm 7",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, ok := ledger.ParseID(args[0])
			if !ok {
				return usageError{cmd, fmt.Errorf("%q is no id", args[0])}
			}
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				if err := a.Alerts.Remove(ctx, id); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, map[string]int64{"removed": id})
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), id)
				return err
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// shownTrial is what became of a test, for scripts.
type shownTrial struct {
	ID       int64   `json:"id"`
	Via      string  `json:"via"`
	To       string  `json:"to"`
	Delivery int64   `json:"delivery"`
	State    string  `json:"state"`
	Detail   *string `json:"detail"` // null if it is sent
}

func newAlertTest() *cobra.Command {
	var all, asJSON bool
	var wait time.Duration
	c := &cobra.Command{
		Use: "test ID | --all", Short: "Send a test and tell what becomes of it",
		Long: `Have the server that runs on the store send a test to a recipient of alerts, or to all
of them, and tell whether it is sent, failed, or waits, and why. Unless every one is
sent, the exit code is 5. A test that waits still goes out within ten minutes.`,
		Example: "  ferryman alert test 7\n  ferryman alert test --all",
		Args: func(cmd *cobra.Command, args []string) error {
			if all {
				return noArgs(cmd, args)
			}
			return oneArg("ID")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var id int64
			if !all {
				var ok bool
				if id, ok = ledger.ParseID(args[0]); !ok {
					return usageError{cmd, fmt.Errorf("%q is no id", args[0])}
				}
			}
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				recipients, err := tested(ctx, a, id)
				if err != nil {
					return err
				}
				trials, err := try(ctx, a, wait, recipients...)
				if err != nil {
					return err
				}
				return tellTrials(cmd, trials, asJSON)
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&all, "all", false, "send one to every recipient")
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for what becomes of it")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

// tested are the recipients to be tested: all of them if id is 0.
func tested(ctx context.Context, a *app.Admin, id int64) ([]alert.Recipient, error) {
	if id != 0 {
		r, err := a.Alerts.Get(ctx, id)
		return []alert.Recipient{r}, err
	}
	all, err := a.Alerts.List(ctx)
	if err == nil && len(all) == 0 {
		err = &fault.Error{Kind: fault.NotFound, Code: "no_recipients", Detail: "nobody is told of events so far", Hint: "see ferryman alert add --help"}
	}
	return all, err
}

func tellTrials(cmd *cobra.Command, trials []alert.Trial, asJSON bool) error {
	if asJSON {
		shown := make([]shownTrial, len(trials))
		for i, t := range trials {
			shown[i] = shownTrial{t.Recipient.ID, t.Recipient.Channel, t.Recipient.Address, t.Delivery, t.State.String(), ledgerjson.OrNull(t.Why)}
		}
		if err := printJSON(cmd, shown); err != nil {
			return err
		}
	} else {
		for _, t := range trials {
			fmt.Fprintf(cmd.OutOrStdout(), "%d %s %s: %s\n", t.Recipient.ID, t.Recipient.Channel, t.Recipient.Address, cameTo(t))
		}
	}
	return allSent(trials...)
}
