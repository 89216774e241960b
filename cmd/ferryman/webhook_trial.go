package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/alert"
	"ferryman/internal/app"
	"ferryman/internal/endpoint"
	"ferryman/internal/ledgerjson"
)

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
				if err := awaitTakenUp(ctx, a, w.ChangedAt, wait); err != nil {
					return err
				}
				trials, err := try(ctx, a, wait, alert.Recipient{Channel: webhookChannel(w.Name), Address: w.Name})
				if err != nil {
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

func tellPost(cmd *cobra.Command, name string, t alert.Trial, asJSON bool) error {
	if asJSON {
		if err := printJSON(cmd, shownPost{name, t.Delivery, t.State.String(), ledgerjson.OrNull(t.Why)}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", name, cameTo(t))
	}
	return allSent(t)
}
