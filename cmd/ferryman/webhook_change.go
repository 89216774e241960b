package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/alert"
	"ferryman/internal/app"
	"ferryman/internal/endpoint"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/outbox"
)

func newWebhookRotate() *cobra.Command {
	var secretFile string
	var finish, asJSON bool
	c := &cobra.Command{
		Use: "rotate NAME", Short: "Give a webhook a new secret and print it, once",
		Long: `Give a webhook a new secret and print it. Posts are signed with the old one as well,
until --finish: first rotate, then tell the receiver, then finish.`,
		Example: "  ferryman webhook rotate pager > pager.secret\n  ferryman webhook rotate pager --finish",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if finish {
				if secretFile != "" {
					return usageError{cmd, errors.New("--finish takes no new secret")}
				}
				return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
					if err := a.WebhookRegistry().FinishRotation(ctx, args[0]); err != nil {
						return err
					}
					if asJSON {
						return printJSON(cmd, map[string]string{"finished": args[0]})
					}
					_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0])
					return err
				})
			}
			secret, err := secretOf(cmd, secretFile)
			if err != nil {
				return err
			}
			return withWebhooks(cmd, func(ctx context.Context, _ *app.Admin, all *endpoint.Webhooks) error {
				rotated, err := all.Rotate(ctx, args[0], secret)
				if err != nil {
					return err
				}
				return tellSecret(cmd, rotated, secretFile == "", asJSON)
			})
		},
	}
	addAdminFlags(c)
	addSecretFlag(c, &secretFile)
	c.Flags().BoolVar(&finish, "finish", false, "sign with the old secret no more")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func newWebhookRemove() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "rm NAME", Short: "Remove a webhook",
		Long: `Remove a webhook, with its URL and its secret. What is to be posted to it waits: it goes
out once a webhook of this name is added again, at whatever address that has. It works
without the secret that the URL was encrypted with.`,
		Example: "  ferryman webhook rm pager",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				if err := a.WebhookRegistry().Remove(ctx, args[0]); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, map[string]string{"removed": args[0]})
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0])
				return err
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// takenUpIn is how soon a server serves a webhook that was added.
const takenUpIn = 5 * time.Second

// shownPost is what became of a test of a webhook, for scripts.
type shownPost struct {
	Name     string  `json:"name"`
	Delivery int64   `json:"delivery"`
	State    string  `json:"state"`
	Detail   *string `json:"detail"` // null if it is sent
}

func newWebhookTest() *cobra.Command {
	var wait time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use: "test NAME", Short: "Post a test and tell what becomes of it",
		Long: `Have the server that runs on the store post a test to a webhook, and tell whether it is
sent, failed, or waits, and why. Unless it is sent, the exit code is 5. A test that
waits still goes out within ten minutes.`,
		Example: "  ferryman webhook test pager",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withWebhooks(cmd, func(ctx context.Context, a *app.Admin, all *endpoint.Webhooks) error {
				w, err := all.Get(ctx, args[0])
				if err != nil {
					return err
				}
				if err := awaitServed(ctx, a, webhookChannel(w.Name), min(wait, takenUpIn)); err != nil {
					return err
				}
				trials, err := a.Alerts.Try(ctx, alert.Recipient{Channel: webhookChannel(w.Name), Address: w.Name})
				if err != nil {
					return err
				}
				waiting, cancel := context.WithTimeout(ctx, wait)
				defer cancel()
				if err := a.Alerts.Await(waiting, trials); err != nil {
					return err
				}
				return tellPost(cmd, w.Name, trials[0], asJSON)
			})
		},
	}
	addAdminFlags(c)
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for what becomes of it")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// awaitServed gives a server time to take up a channel that is new to it.
func awaitServed(ctx context.Context, a *app.Admin, channel string, limit time.Duration) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		s, err := channelStats(ctx, a, channel)
		if err != nil || s.Configured || s.PausedBy != "" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return nil // the trial tells that nobody serves it
		case <-again.C:
		}
	}
}

func tellPost(cmd *cobra.Command, name string, t alert.Trial, asJSON bool) error {
	state := t.State.String()
	if t.State == outbox.Waiting || t.State == outbox.Behind {
		state = "waiting"
	}
	if asJSON {
		if err := printJSON(cmd, shownPost{name, t.Delivery, t.State.String(), ledgerjson.OrNull(t.Why)}); err != nil {
			return err
		}
	} else {
		if t.Why != "" {
			state += ": " + t.Why
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", name, state)
	}
	if t.State != outbox.Sent {
		return exitError(exitFailed)
	}
	return nil
}
