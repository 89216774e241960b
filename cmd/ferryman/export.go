package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
)

// shownMove is an export or an import, for scripts.
type shownMove struct {
	File     string           `json:"file"`
	Dialect  string           `json:"dialect"` // of the store that was exported
	Schema   int              `json:"schema_version"`
	Rows     int64            `json:"rows"`
	Tables   map[string]int64 `json:"tables"`
	Replaced int64            `json:"replaced"` // texts, in an import
	Secret   string           `json:"secret"`   // the file that it was put into
}

func showMove(file string, m app.Moved) shownMove {
	return shownMove{file, m.Dialect, m.Schema, m.Rows, m.Tables, m.Replaced, m.Secret}
}

func newExport() *cobra.Command {
	var asJSON, force bool
	c := &cobra.Command{
		Use: "export FILE", Short: "Write the whole store to a file, for another database",
		Long: `Write the whole store, be it SQLite or PostgreSQL, as it is at one moment to a file, from
which ferryman import fills an empty store of either kind. Ids stay what they are. The
file of the store's secret goes to FILE.secret. The server may run; what it does after
that moment is not in the file, so stop it if the store is to move.

The file is gzip of JSON lines, with a sum. Like the store itself it holds messages and
reports as they are: it is made for its owner's eyes alone.`,
		Example: `  ferryman export /var/backups/ferryman.export
  ferryman import /var/backups/ferryman.export --store postgres://ferryman:password@db.example.com/ferryman`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, log, err := adminSettings(cmd)
			if err != nil {
				return err
			}
			tell, done := tellRows(cmd, "exporting")
			m, err := app.Export(cmd.Context(), app.Options{Config: c, Version: version, Log: log}, args[0], force, tell)
			done()
			if err != nil {
				return whichStore(cmd, c, err)
			}
			if asJSON {
				return printJSON(cmd, showMove(args[0], m))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rows of %d tables, schema version %d, from %s\n", args[0], m.Rows, len(m.Tables), m.Schema, m.Dialect)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), exportedSecret(m))
			return err
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func exportedSecret(m app.Moved) string {
	switch {
	case m.Secret != "":
		return m.Secret + ": the secret"
	case m.Configured:
		return "FERRYMAN_SECRET is not in it: the store that it is imported into needs the same"
	}
	return "no file of a secret was beside the store"
}

// tellRows shows on a terminal how far it is, until done is called.
func tellRows(cmd *cobra.Command, what string) (tell func(table string, rows int64), done func()) {
	p := newProgress(cmd.ErrOrStderr())
	p.show(what)
	return func(table string, rows int64) { p.show(fmt.Sprintf("%s %s, %d rows", what, table, rows)) }, p.done
}
