package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
)

// shownCopy is a backup, or a store that was restored from one, for scripts.
type shownCopy struct {
	File       string   `json:"file"`
	Bytes      int64    `json:"bytes"`
	Schema     int      `json:"schema_version"`
	Executions int64    `json:"executions"`
	Deliveries int64    `json:"deliveries"`
	Secret     string   `json:"secret"`          // file; "" if none came along
	Aside      []string `json:"aside,omitempty"` // of restore
}

func showCopy(k app.Kept) shownCopy {
	return shownCopy{k.File, k.Bytes, k.Schema, k.Executions, k.Deliveries, k.Secret, k.Aside}
}

func newBackup() *cobra.Command {
	var asJSON, force bool
	c := &cobra.Command{
		Use: "backup FILE|FOLDER", Short: "Copy a SQLite store, while the server runs or not",
		Long: `Copy a SQLite store, as it is at one moment, whether or not a server works on it, and
the file of its secret to FILE.secret. The copy is compact, and looked through before
it takes its place. In a folder it is named after the time, in UTC.

Everything that was acknowledged before the command began is in it. The server goes on
meanwhile; the store's WAL file grows with what is written until the copy is done. A
PostgreSQL store is backed up with pg_dump.`,
		Example: `  ferryman backup /var/backups/
  ferryman backup /var/backups/ferryman.db --force --json`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, log, err := adminSettings(cmd)
			if err != nil {
				return err
			}
			kept, err := app.Backup(cmd.Context(), app.Options{Config: c, Version: version, Log: log}, args[0], force)
			if err != nil {
				return whichStore(cmd, c, err)
			}
			if asJSON {
				return printJSON(cmd, showCopy(kept))
			}
			return writeCopy(cmd.OutOrStdout(), kept, "FERRYMAN_SECRET, which belongs to it, is not copied: keep it, too")
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func newRestore() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of a SQLite store",
		Long: `Put a copy that ferryman backup made in the place of a SQLite store, with FILE.secret
if that is there. The copy is looked through first. What was there before is renamed,
not deleted. A store that a server works on is refused.

A restored store has forgotten what happened since the backup: messages that were sent
since then wait again. Read "What a restored store has forgotten" in docs/operations.md
before you start the server.`,
		Example: "  systemctl stop ferryman\n  ferryman restore /var/backups/ferryman-20270131T020000Z.db\n  systemctl start ferryman",
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, log, err := adminSettings(cmd)
			if err != nil {
				return err
			}
			kept, err := app.Restore(cmd.Context(), app.Options{Config: c, Version: version, Log: log}, args[0])
			for _, file := range kept.Aside {
				fmt.Fprintln(cmd.ErrOrStderr(), "set aside: "+file)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, showCopy(kept))
			}
			return writeCopy(cmd.OutOrStdout(), kept, "FERRYMAN_SECRET must be what it was at the time of the backup")
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// writeCopy tells of a copy, and configured if its secret is a setting.
func writeCopy(w io.Writer, k app.Kept, configured string) error {
	fmt.Fprintf(w, "%s: %d bytes, schema version %d, %d executions, %d deliveries\n", k.File, k.Bytes, k.Schema, k.Executions, k.Deliveries)
	secret := "no file of a secret was beside it"
	switch {
	case k.Secret != "":
		secret = k.Secret + ": the secret"
	case k.Configured:
		secret = configured
	}
	_, err := fmt.Fprintln(w, secret)
	return err
}
