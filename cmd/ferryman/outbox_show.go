package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/outbox"
)

func newOutboxShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a delivery and its attempts", Args: oneID,
		Long: `Show a delivery and its attempts, as far as they are kept. What came of an attempt is
sent, retry, failed, paused (the channel could not send) or uncertain (the request went
out, and nobody knows what became of it).`,
		Example: "  ferryman outbox show 17\n  ferryman outbox show 17 --json | jq '.kept_attempts[].status'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				r, err := a.Outbox.Get(ctx, parseID(args[0]))
				if err != nil {
					return err
				}
				attempts, err := a.Outbox.Attempts(ctx, r.ID)
				if err != nil {
					return err
				}
				if asJSON {
					shown := showDelivery(r)
					shown.Kept = showAttempts(attempts)
					return printJSON(cmd, shown)
				}
				return deliveryTable(cmd.OutOrStdout(), r, attempts)
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func deliveryTable(out io.Writer, r outbox.Row, attempts []outbox.Attempt) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"Delivery", fmt.Sprintf("%d, about a %s", r.ID, topicName(r.Topic))}, {"State", r.State.String()}, {"Channel", r.Channel}, {"Recipient", r.Recipient},
		{"Payload", r.Payload}, {"In order of", orNone(r.OrderKey)}, {"Created", cell(r.CreatedAt, "")}, {"To be sent", when(r.StartAt, "at once")},
		{"Next attempt", cell(dueAt(r), "none")}, {"Expires", when(r.ExpiresAt, "never")}, {"Ended", cell(r.EndedAt, "not yet")},
		{"Attempts", fmt.Sprintf("%d, of which %d are uncertain", r.Attempts, r.Uncertain)}, {"Last error", orNone(r.LastError)}, {"Reference", orNone(r.Reference)},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], oneLine(line[1]))
	}
	if len(attempts) > 0 {
		fmt.Fprintln(w, "\nATTEMPT\tAT\tTOOK\tOUTCOME\tSTATUS\tCODE\tDETAIL")
	}
	for _, a := range attempts {
		took, status := "", ""
		if a.Took > 0 {
			took = a.Took.Round(time.Microsecond).String()
		}
		if a.Status > 0 {
			status = fmt.Sprint(a.Status)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", a.N, cell(a.At, ""), took, a.Verdict, status, oneLine(a.Code), oneLine(a.Detail))
	}
	return w.Flush()
}
