package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/endpoint"
	"ferryman/internal/outbox"
)

func newWebhook() *cobra.Command {
	return group("webhook", "Manage the webhooks that deliveries are posted to",
		newWebhookAdd(), newWebhookList(), newWebhookShow(), newWebhookSet(), newWebhookRotate(), newWebhookRemove(), newWebhookTest())
}

// webhookChannel is the channel of a webhook.
func webhookChannel(name string) string { return "webhook/" + name }

// shownWebhook is a webhook for scripts.
type shownWebhook struct {
	Name      string    `json:"name"`
	URL       string    `json:"url"`
	Signed    bool      `json:"signed"`
	Rotating  bool      `json:"rotating"`
	Profile   string    `json:"profile"`
	Rate      string    `json:"rate"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
	Secret    string    `json:"secret,omitempty"` // only when it is made
}

func showWebhook(w endpoint.Webhook) shownWebhook {
	return shownWebhook{
		Name: w.Name, URL: w.URL.String(), Signed: !w.Secret.Empty(), Rotating: !w.OldSecret.Empty(), Profile: w.Profile, Rate: w.Rate,
		CreatedAt: w.CreatedAt, ChangedAt: w.ChangedAt,
	}
}

// withWebhooks runs fn on the registry of webhooks, which needs the secret.
func withWebhooks(cmd *cobra.Command, fn func(context.Context, *app.Admin, *endpoint.Webhooks) error) error {
	return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
		all, err := a.Webhooks(ctx)
		if err != nil {
			return err
		}
		return fn(ctx, a, all)
	})
}

func newWebhookAdd() *cobra.Command {
	var address addressFlags
	var secretFile, profile, rate string
	var unsigned, asJSON bool
	c := &cobra.Command{
		Use: "add NAME --url URL", Short: "Add a webhook and print its secret, once",
		Long: `Add a webhook: a name for the address that deliveries are posted to. It is served by
the server on the store within seconds, as the channel webhook/NAME.

Posts are signed as Standard Webhooks has it. The secret is made and printed alone on
standard output; it is shown this once. With --secret-file it is read from a file, and
with --unsigned there is none: then the name is printed. URL and secret are kept
encrypted; of the URL no more is shown than scheme and host. If it holds a secret, as
those of chat services do, give it by --url-file: a command line can be seen by others.

The profile is when a delivery is tried again. seed: ten attempts in about nine
minutes, after pauses of 1, 2, 4 and so on up to 256 seconds. standard: ten attempts in three
days, after 5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours.

A rate is so many in a time, such as 5/s or 100/min; of one by the second, twice as
many may go at once unless it says otherwise, as 5/s burst 20 does. none is no bound.`,
		Example: `  ferryman webhook add pager --url https://example.com/hooks/ferryman > pager.secret
  ferryman webhook add crm --url https://crm.example.com/contacts --secret-file crm.secret --profile seed --rate 20/s
  ferryman webhook add chat --url-file chat.url --unsigned`,
		Args: oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !address.given():
				return usageError{cmd, errors.New("--url or --url-file is needed: the address to post to")}
			case unsigned && secretFile != "":
				return usageError{cmd, errors.New("--unsigned and --secret-file exclude each other")}
			case address.file == "-" && secretFile == "-":
				return usageError{cmd, errors.New("--url-file and --secret-file cannot both be standard input")}
			}
			url, err := address.read(cmd)
			if err != nil {
				return err
			}
			r, err := webhookRate(cmd, rate)
			if err != nil {
				return err
			}
			w := endpoint.Webhook{Name: args[0], URL: url, Profile: profile, Rate: r}
			if !unsigned {
				if w.Secret, err = secretOf(cmd, secretFile); err != nil {
					return err
				}
			}
			return withWebhooks(cmd, func(ctx context.Context, _ *app.Admin, all *endpoint.Webhooks) error {
				added, err := all.Add(ctx, w)
				if err != nil {
					return err
				}
				warnAddress(cmd, url)
				return tellSecret(cmd, added, !unsigned && secretFile == "", asJSON)
			})
		},
	}
	addAdminFlags(c)
	address.add(c)
	addSecretFlag(c, &secretFile)
	c.Flags().BoolVar(&unsigned, "unsigned", false, "sign nothing")
	addPaceFlags(c, &profile, endpoint.Standard, &rate, endpoint.DefaultRate)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// addressFlags are the two ways to give a webhook's URL.
type addressFlags struct{ url, file string }

func (f *addressFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.url, "url", "", "address to post to, of http or https")
	c.Flags().StringVar(&f.file, "url-file", "", "file that holds the address, - for standard input")
}

func (f *addressFlags) given() bool { return f.url != "" || f.file != "" }

func (f *addressFlags) read(cmd *cobra.Command) (endpoint.Address, error) {
	if f.url != "" && f.file != "" {
		return endpoint.Address{}, usageError{cmd, errors.New("--url and --url-file exclude each other")}
	}
	text := f.url
	if f.file != "" {
		line, err := readLine(cmd, f.file)
		if err != nil {
			return endpoint.Address{}, usageError{cmd, fmt.Errorf("read the URL: %w", err)}
		}
		text = line
	}
	url, err := endpoint.ParseAddress(text)
	if err != nil {
		return endpoint.Address{}, usageError{cmd, err}
	}
	return url, nil
}

// warnAddress warns of an address that the server will refuse to post to, if it has these
// settings. That of the sandbox has others.
func warnAddress(cmd *cobra.Command, to endpoint.Address) {
	in, err := config.Process(cmd.Flags())
	if sandbox, _ := cmd.Flags().GetBool("sandbox"); sandbox || err != nil {
		return
	}
	in.Sections = []config.Section{config.FileSection, config.OutboxSection}
	c, _, err := config.Load(in)
	if err == nil && app.WebhookRefused(app.Options{Config: c}, to) {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: deliveries will be refused, for this address is not of the public Internet, unless the server has its host in FERRYMAN_WEBHOOK_ALLOW_HOSTS")
	}
}

func addPaceFlags(c *cobra.Command, profile *string, deflt string, rate *string, defaultRate string) {
	c.Flags().StringVar(profile, "profile", deflt, "when to try again: seed or standard")
	c.Flags().StringVar(rate, "rate", defaultRate, "how many to post in what time, at most")
	_ = c.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions(endpoint.Profiles(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// webhookRate checks a rate.
func webhookRate(cmd *cobra.Command, text string) (string, error) {
	r, err := outbox.ParseWebhookRate(text)
	if err != nil {
		return "", usageError{cmd, err}
	}
	return r.String(), nil
}

func addSecretFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "secret-file", "", "file that holds the secret to sign with, - for standard input (default: one is made)")
}

// secretOf reads a secret from a file, or makes one if no file is named.
func secretOf(cmd *cobra.Command, file string) (endpoint.Secret, error) {
	if file == "" {
		return endpoint.NewSecret(), nil
	}
	text, err := readLine(cmd, file)
	if err != nil {
		return endpoint.Secret{}, usageError{cmd, fmt.Errorf("read the secret: %w", err)}
	}
	secret, err := endpoint.ParseSecret(text)
	if err != nil {
		return endpoint.Secret{}, usageError{cmd, err}
	}
	return secret, nil
}

// readLine reads a short file, or standard input if it is -, without the blanks
// around what it holds.
func readLine(cmd *cobra.Command, file string) (string, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	const most = 4096
	text, err := io.ReadAll(io.LimitReader(in, most))
	return strings.TrimSpace(string(text)), err
}

// tellSecret prints the webhook's secret if it was made just now.
func tellSecret(cmd *cobra.Command, w endpoint.Webhook, made, asJSON bool) error {
	if asJSON {
		shown := showWebhook(w)
		if made {
			shown.Secret = w.Secret.Reveal()
		}
		return printJSON(cmd, shown)
	}
	if !made {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), w.Name)
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "This secret is shown once. The receiver of webhook %s verifies what is posted with it.\n", w.Name)
	_, err := fmt.Fprintln(cmd.OutOrStdout(), w.Secret.Reveal())
	return err
}

func newWebhookList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the webhooks", Args: noArgs,
		Long:    "List the webhooks. Of URLs only scheme and host are shown: the rest may be secret.",
		Example: "  ferryman webhook list\n  ferryman webhook list --json | jq -r '.[].name'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withWebhooks(cmd, func(ctx context.Context, _ *app.Admin, all *endpoint.Webhooks) error {
				list, err := all.List(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					shown := make([]shownWebhook, len(list))
					for i, w := range list {
						shown[i] = showWebhook(w)
					}
					return printJSON(cmd, shown)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "NAME\tURL\tSIGNED\tPROFILE\tRATE\tCREATED")
				for _, one := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", one.Name, one.URL, signed(one), one.Profile, one.Rate, cell(one.CreatedAt, ""))
				}
				return w.Flush()
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func signed(w endpoint.Webhook) string {
	switch {
	case w.Secret.Empty():
		return "no"
	case w.OldSecret.Empty():
		return "yes"
	default:
		return "with two secrets"
	}
}
