package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ferryman/internal/config"
)

func newConfig() *cobra.Command {
	return group("config", "Look at the settings", newConfigShow())
}

func newConfigShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show", Short: "Print every setting, its value and where it comes from",
		Long: `Print every setting, its value and where it comes from. Secrets and the passwords
in URLs are masked. With wrong settings it prints them all the same, and what is
wrong.

` + config.Usage(),
		Example: "  ferryman config show\n  ferryman config show --json | jq -r '.[] | select(.origin != \"default\") | .name'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := config.Process(cmd.Flags())
			if err != nil {
				return err
			}
			loaded, warnings, loadErr := config.Load(in)
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			if asJSON {
				err = printJSON(cmd, loaded.Show())
			} else {
				err = printSettings(cmd, loaded.Show())
			}
			if loadErr != nil {
				return loadErr
			}
			return err
		},
	}
	config.AddFlags(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func printSettings(cmd *cobra.Command, all []config.Shown) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	var section config.Section
	for _, s := range all {
		if s.Section != section {
			section = s.Section
			fmt.Fprintf(w, "# %s\n", section)
		}
		origin := string(s.Origin)
		if s.Detail != "" {
			origin = s.Detail
		}
		value := s.Value
		if value == "" {
			value = "(unset)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, value, origin)
	}
	return w.Flush()
}
