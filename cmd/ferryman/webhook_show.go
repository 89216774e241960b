package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/endpoint"
	"ferryman/internal/outbox"
)

// shownChannel is how a webhook's channel stands, for scripts.
type shownChannel struct {
	shownWebhook
	Served      bool   `json:"served"`
	PausedBy    string `json:"paused_by"` // "", person or fault
	PauseReason string `json:"pause_reason"`
	Waiting     int64  `json:"waiting"`
	Sending     int64  `json:"sending"`
	Failed      int64  `json:"failed"`
	Sent        int64  `json:"sent"`
}

func newWebhookShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show NAME", Short: "Show a webhook and how its deliveries stand", Args: oneArg("NAME"),
		Example: "  ferryman webhook show pager\n  ferryman webhook show pager --json | jq .waiting",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withWebhooks(cmd, func(ctx context.Context, a *app.Admin, all *endpoint.Webhooks) error {
				w, err := all.Get(ctx, args[0])
				if err != nil {
					return err
				}
				s, err := channelStats(ctx, a, webhookChannel(w.Name))
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, shownChannel{showWebhook(w), s.Configured, s.PausedBy, s.PauseReason, s.Waiting, s.Sending, s.Failed, s.Totals.Sent})
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, line := range [][2]string{
					{"name", w.Name}, {"url", w.URL.String()}, {"signed", signed(w)}, {"profile", w.Profile}, {"rate", w.Rate},
					{"created", cell(w.CreatedAt, "")}, {"changed", cell(w.ChangedAt, "")}, {"channel", webhookChannel(w.Name)}, {"state", inWords(s)},
					{"deliveries", fmt.Sprintf("%d waiting, %d being sent, %d sent, %d failed", s.Waiting, s.Sending, s.Totals.Sent, s.Failed)},
				} {
					fmt.Fprintf(out, "%s\t%s\n", line[0], line[1])
				}
				return out.Flush()
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// channelStats is how a channel stands: as one that nobody serves if it is not known.
func channelStats(ctx context.Context, a *app.Admin, name string) (outbox.ChannelStats, error) {
	all, err := a.Outbox.Stats(ctx)
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
	}
	return outbox.ChannelStats{Name: name}, err
}

func inWords(s outbox.ChannelStats) string {
	switch {
	case s.PausedBy == "fault":
		return "paused by a fault: " + s.PauseReason
	case s.PausedBy != "":
		return "paused: " + s.PauseReason
	case !s.Configured:
		return "not served so far"
	case !s.HeldUntil.IsZero():
		return "rests until " + cell(s.HeldUntil, "")
	default:
		return "in order"
	}
}
