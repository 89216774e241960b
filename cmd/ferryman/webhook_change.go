package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/endpoint"
)

func newWebhookSet() *cobra.Command {
	var address addressFlags
	var profile, rate string
	var asJSON bool
	c := &cobra.Command{
		Use: "set NAME", Short: "Change where and how a webhook is posted to",
		Long: `Change a webhook's URL, profile or rate. Its secret stays, and so does what waits: it
goes to the new address. A channel that the old address had made pause is tried again.`,
		Example: `  ferryman webhook set pager --url https://new.example.com/hooks/ferryman
  ferryman webhook set crm --rate 20/s --profile standard`,
		Args: oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var change endpoint.Change
			var err error
			if !address.given() && profile == "" && rate == "" {
				return usageError{cmd, errors.New("say what to change: --url or --url-file, --profile, --rate")}
			}
			if address.given() {
				if change.URL, err = address.read(cmd); err != nil {
					return err
				}
			}
			if rate != "" {
				if change.Rate, err = webhookRate(cmd, rate); err != nil {
					return err
				}
			}
			change.Profile = profile
			return withWebhooks(cmd, func(ctx context.Context, _ *app.Admin, all *endpoint.Webhooks) error {
				changed, err := all.Update(ctx, args[0], change)
				if err != nil {
					return err
				}
				if address.given() {
					warnAddress(cmd, change.URL)
				}
				return tellSecret(cmd, changed, false, asJSON)
			})
		},
	}
	addAdminFlags(c)
	address.add(c)
	addPaceFlags(c, &profile, "", &rate, "")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

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
