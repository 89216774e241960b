package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/audit"
)

func newImport() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "import FILE", Short: "Fill an empty store with an export of another",
		Long: `Fill an empty store, SQLite or PostgreSQL, with what ferryman export wrote, with the
same ids. The store is made if there is none, and refused if it is not empty or a
server works on it. It is all or nothing: if it fails, or is cut off by whatever, the
store is as empty as before, and the command can be given again. A file that is cut
off or changed is refused.

FILE.secret, if that is there, becomes the store's secret, unless FERRYMAN_SECRET is
set: keys and webhooks only work with the secret that they were made with.`,
		Example: `  ferryman import /var/backups/ferryman.export --store postgres://ferryman:password@db.example.com/ferryman
  ferryman import /var/backups/ferryman.export --state-dir /var/lib/ferryman-new`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, log, err := adminSettings(cmd)
			if err != nil {
				return err
			}
			tell, done := tellRows(cmd, "importing")
			m, err := app.Import(cmd.Context(), app.Options{Config: c, Version: version, Log: log}, args[0], audit.Command(userName()), tell)
			done()
			if err != nil {
				return err
			}
			if m.Replaced > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d texts had characters that the database cannot hold; these are U+FFFD now\n", m.Replaced)
			}
			if m.Unusable != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "keys and webhooks do not work yet: %v\n", m.Unusable)
			}
			if asJSON {
				return printJSON(cmd, showMove(args[0], m))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rows of %d tables, exported at %s from %s\n",
				c.Store.URL, m.Rows, len(m.Tables), cell(m.MadeAt, ""), m.Dialect)
			if m.Secret == "" {
				return nil
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), m.Secret+": the secret")
			return err
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
