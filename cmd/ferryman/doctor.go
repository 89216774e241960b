package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/doctor"
)

// shownFindings are what doctor --json prints.
type shownFindings struct {
	Healthy  bool             `json:"healthy"`
	Findings []doctor.Finding `json:"findings"`
}

func newDoctor() *cobra.Command {
	var asJSON, offline bool
	c := &cobra.Command{
		Use: "doctor", Short: "Look whether everything is there that a server needs, and say what to do", Args: noArgs,
		Long: `Look whether everything is there that a server with the same settings needs: settings,
state folder and disk, secret, store with its schema, clock and rights, the address
to listen on, upstreams, targets, messengers, the collector of traces and limits; and
what does not work by what the store tells: silent nodes, channels that stand still,
alerts that failed. Each line is ok, a warning
or a problem, and the line below it says what to do.

It changes nothing: neither does it make or migrate a store, nor does it sign in
anywhere but to databases. Run it as the user of the server and in the same folder,
whether the server runs or not. No line holds a secret.

Exit codes: 0 no problem, warnings aside; 1 wrong usage; 5 a problem.`,
		Example: "  sudo -u ferryman ferryman doctor\n  ferryman doctor --offline --json | jq -r '.findings[] | select(.level != \"ok\") | .remedy'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := config.Process(cmd.Flags())
			if err != nil {
				return err
			}
			conf, warnings, wrong := config.Load(in)
			found := app.Doctor(cmd.Context(), app.Options{Config: conf, Version: version, Log: slog.New(slog.DiscardHandler)},
				app.Examined{Warnings: warnings, Wrong: wrong, Offline: offline})
			if err := cmd.Context().Err(); err != nil {
				return err // what was cut off looks like trouble
			}
			healthy := doctor.Healthy(found)
			if asJSON {
				err = printJSON(cmd, shownFindings{healthy, found})
			} else {
				err = writeFindings(cmd.OutOrStdout(), found)
			}
			if err == nil && !healthy {
				err = exitError(exitFailed)
			}
			return err
		},
	}
	config.AddFlags(c.Flags())
	c.Flags().BoolVar(&offline, "offline", false, "leave out upstreams, targets, messengers and the collector of traces")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// writeFindings prints a line for each, with what to do below, and how many there are.
func writeFindings(w io.Writer, all []doctor.Finding) error {
	many := map[doctor.Level]int{}
	for _, f := range all {
		many[f.Level]++
		fmt.Fprintf(w, "%-8s %s: %s\n", f.Level, f.Check, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(w, "         → %s\n", f.Remedy)
		}
	}
	_, err := fmt.Fprintf(w, "\nok: %d, warnings: %d, problems: %d\n", many[doctor.OK], many[doctor.Warning], many[doctor.Problem])
	return err
}
