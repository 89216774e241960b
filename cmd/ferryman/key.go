package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/apikey"
	"ferryman/internal/app"
)

func newKey() *cobra.Command {
	return group("key", "Manage the keys by which applications call", newKeyCreate(), newKeyList(), newKeyRevoke())
}

// shownKey is a key for scripts.
type shownKey struct {
	Key        string     `json:"key,omitempty"` // only when it is made
	Prefix     string     `json:"prefix"`
	App        string     `json:"app"`
	Scope      string     `json:"scope"`
	State      string     `json:"state"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

func showKey(k apikey.Key, now time.Time) shownKey {
	return shownKey{
		Prefix: k.Prefix, App: k.App, Scope: string(k.Scope), State: string(k.State(now)), CreatedAt: k.CreatedAt,
		ExpiresAt: optional(k.ExpiresAt), RevokedAt: optional(k.RevokedAt), LastUsedAt: optional(k.LastUsedAt),
	}
}

func newKeyCreate() *cobra.Command {
	var name, scope, expires string
	var asJSON bool
	c := &cobra.Command{
		Use: "create", Short: "Make a key and print it, once",
		Long: `Make a key for an application and print it alone on standard output. It is shown this
once and kept nowhere.

A key of scope ping reports executions, and may make crons by that; read looks at the
application's crons and executions; admin does both and changes its crons. An admin
key of the application ferryman administers all applications.

--expires is a time from now in days or hours (90d, 12h), a day (2027-01-31, whose
first moment in UTC ends the key), or a moment (2027-01-31T18:00:00Z).`,
		Example: `  ferryman key create --app shop > shop.key
  ferryman key create --app shop --scope read --expires 90d
  ferryman key create --app ferryman --scope admin`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" {
				return usageError{cmd, errors.New("--app is needed: the application that the key is for")}
			}
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				until, err := expiry(expires, a.Now())
				if err != nil {
					return usageError{cmd, err}
				}
				keys, err := a.Keys(ctx)
				if err != nil {
					return err
				}
				made, key, err := keys.Create(ctx, name, apikey.Scope(scope), until)
				if err != nil {
					return err
				}
				if asJSON {
					shown := showKey(made, a.Now())
					shown.Key = key
					return printJSON(cmd, shown)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "This key is shown once. Application %s, scope %s, prefix %s, expires %s.\n",
					made.App, made.Scope, made.Prefix, cell(made.ExpiresAt, "never"))
				_, err = fmt.Fprintln(cmd.OutOrStdout(), key)
				return err
			})
		},
	}
	addAdminFlags(c)
	c.Flags().StringVar(&name, "app", "", "application that the key is for")
	c.Flags().StringVar(&scope, "scope", string(apikey.Ping), "what it may do: "+strings.Join(scopeNames(), ", "))
	c.Flags().StringVar(&expires, "expires", "", "when it ends, such as 90d or 2027-01-31 (default never)")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	_ = c.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(scopeNames(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

func scopeNames() []string {
	var names []string
	for _, s := range apikey.Scopes() {
		names = append(names, string(s))
	}
	return names
}

// expiry reads --expires; "" is never, the zero time.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			const most = 1_000_000 // hours are 114 years; a Duration holds 292
			if n, err := strconv.Atoi(digits); err == nil && n > 0 && n <= most/int(length/time.Hour) {
				return now.Add(time.Duration(n) * length), nil
			}
		}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("--expires is neither a time from now, such as 90d or 12h, nor a day such as 2027-01-31, nor a moment such as 2027-01-31T18:00:00Z")
}

func newKeyList() *cobra.Command {
	var name string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the keys: everything but the keys themselves", Args: noArgs,
		Example: "  ferryman key list\n  ferryman key list --app shop --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				all, err := a.Apps.List(ctx, name)
				if err != nil {
					return err
				}
				now := a.Now()
				if asJSON {
					shown := make([]shownKey, len(all))
					for i, k := range all {
						shown[i] = showKey(k, now)
					}
					return printJSON(cmd, shown)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "PREFIX\tAPP\tSCOPE\tCREATED\tEXPIRES\tLAST USED\tSTATE")
				for _, k := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Prefix, k.App, k.Scope,
						cell(k.CreatedAt, ""), cell(k.ExpiresAt, "never"), cell(k.LastUsedAt, "never"), k.State(now))
				}
				return w.Flush()
			})
		},
	}
	addAdminFlags(c)
	c.Flags().StringVar(&name, "app", "", "only the keys of this application")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func newKeyRevoke() *cobra.Command {
	var name string
	var asJSON, all bool
	c := &cobra.Command{
		Use: "revoke PREFIX", Short: "End a key, within a second wherever it is used",
		Long: `End a key, given by its prefix as in key list, or whole. A running server refuses it
within a second. To revoke a key again changes nothing.

With --all it ends every key, or every key of the application that --app names.
After that new keys may be made with another secret.`,
		Example: "  ferryman key revoke 7k3m9x2p\n  ferryman key revoke --all --app shop",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case all:
				return noArgs(cmd, args)
			case name != "":
				return usageError{cmd, errors.New("--app needs --all")}
			default:
				return oneArg("PREFIX")(cmd, args)
			}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				if all {
					return revokeAll(ctx, cmd, a, name, asJSON)
				}
				prefix, err := a.Apps.Revoke(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, map[string]string{"revoked": prefix})
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), prefix)
				return err
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&all, "all", false, "end every key")
	c.Flags().StringVar(&name, "app", "", "with --all: only the keys of this application")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func revokeAll(ctx context.Context, cmd *cobra.Command, a *app.Admin, name string, asJSON bool) error {
	n, err := a.Apps.RevokeAll(ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd, map[string]int64{"revoked": n})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s revoked\n", count(n, "key"))
	return err
}
