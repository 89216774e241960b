package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/config"
)

func newMigrate() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "migrate", Short: "Bring the store's schema up to date",
		Long: `Bring the schema of Ferryman's own store up to date. The server does so itself when
it starts; this is for those who want it to happen at another time, or with
another user's rights.`,
		Example: "  ferryman migrate\n  ferryman migrate --store postgres://owner:password@db.example.com/ferryman",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, log, err := settings(cmd, slog.LevelWarn)
			if err != nil {
				return err
			}
			d, applied, err := app.OpenStore(cmd.Context(), app.Options{Config: c, Version: version, Log: log})
			if err != nil {
				return err
			}
			defer d.Close() //nolint:errcheck // everything is durable by now
			at, err := d.SchemaVersion(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, map[string]any{"store": c.Store.URL, "version": at, "applied": len(applied)})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: schema version %d, %d applied now\n", c.Store.URL, at, len(applied))
			return err
		},
	}
	config.AddFlags(c.Flags(), config.FileSection, config.StoreSection, config.LogSection)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
