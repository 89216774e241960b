package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/apikey"
	"ferryman/internal/app"
)

func newApp() *cobra.Command {
	return group("app", "Manage the applications that report their crons", newAppAdd(), newAppList(), newAppRemove())
}

// shownApp is an application for scripts.
type shownApp struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Crons     int64     `json:"crons"`
	Keys      int64     `json:"keys"`
}

func showApp(a apikey.Application) shownApp { return shownApp{a.Name, a.CreatedAt, a.Crons, a.Keys} }

func newAppAdd() *cobra.Command {
	var asJSON, ifMissing bool
	c := &cobra.Command{
		Use: "add NAME", Short: "Add an application and print its name",
		Long: `Add an application and print its name, which has up to 100 of a-z, 0-9, _ and -, and
begins with a letter or a digit. It works whether or not a server runs on the store.`,
		Example: "  ferryman app add shop\n  ferryman app add shop --if-missing",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				added, err := a.Apps.AddApplication(ctx, args[0])
				if ifMissing && errors.Is(err, apikey.ErrApplicationExists) {
					added, err = a.Apps.Application(ctx, args[0])
				}
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, showApp(added))
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), added.Name)
				return err
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&ifMissing, "if-missing", false, "that it is there already is no error")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func newAppList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the applications", Args: noArgs,
		Long: `List the applications, with how many crons and live keys each has. Ferryman's own
syncs are the crons of the application ferryman.`,
		Example: "  ferryman app list\n  ferryman app list --json | jq -r '.[].name'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				all, err := a.Apps.Applications(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					shown := make([]shownApp, len(all))
					for i, one := range all {
						shown[i] = showApp(one)
					}
					return printJSON(cmd, shown)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "NAME\tCRONS\tKEYS\tCREATED")
				for _, one := range all {
					fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", one.Name, one.Crons, one.Keys, cell(one.CreatedAt, ""))
				}
				return w.Flush()
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func newAppRemove() *cobra.Command {
	var asJSON, force bool
	c := &cobra.Command{
		Use: "rm NAME", Short: "Remove an application and its keys",
		Long: `Remove an application and its keys. One that has crons is removed only with --force,
and then with its crons and all that is known of their executions, also of those
that run.`,
		Example: "  ferryman app rm shop\n  ferryman app rm shop --force",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				if err := a.Apps.RemoveApplication(ctx, args[0], force); err != nil {
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
	c.Flags().BoolVar(&force, "force", false, "remove its crons and their executions as well")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
