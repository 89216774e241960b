package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/outbox"
)

func newOutbox() *cobra.Command {
	return group("outbox", "See and manage what is to be delivered",
		newOutboxStats(), newOutboxList(), newOutboxShow(), newOutboxPause(), newOutboxResume(), newOutboxReplay())
}

// shownStats is how a channel stands, for scripts.
type shownStats struct {
	Channel     string     `json:"channel"`
	State       string     `json:"state"`
	Configured  bool       `json:"configured"`
	PausedBy    string     `json:"paused_by"`
	PausedAt    *time.Time `json:"paused_at"`
	PauseReason string     `json:"pause_reason"`
	HeldUntil   *time.Time `json:"held_until"`
	Scheduled   int64      `json:"scheduled"`
	Due         int64      `json:"due"`
	Sending     int64      `json:"sending"`
	DeadLetters int64      `json:"dead_letters"`
	OldestDue   *time.Time `json:"oldest_due"`
	Sent        int64      `json:"sent"`
	Failed      int64      `json:"failed"`
	Retried     int64      `json:"retried"`
	Uncertain   int64      `json:"uncertain"`
	Expired     int64      `json:"expired"`
}

func showStats(s outbox.ChannelStats, now time.Time) shownStats {
	return shownStats{
		Channel: s.Name, State: channelState(s, now), Configured: s.Configured,
		PausedBy: s.PausedBy, PausedAt: optional(s.PausedAt), PauseReason: s.PauseReason, HeldUntil: optional(s.HeldUntil),
		Scheduled: s.Waiting, Due: s.Due, Sending: s.Sending, DeadLetters: s.Failed, OldestDue: optional(s.OldestDue),
		Sent: s.Totals.Sent, Failed: s.Totals.Failed, Retried: s.Totals.Retried, Uncertain: s.Totals.Uncertain, Expired: s.Totals.Expired,
	}
}

// channelState is a channel's state in a word: what keeps it from sending, if
// anything does.
func channelState(s outbox.ChannelStats, now time.Time) string {
	switch {
	case s.PausedBy != "":
		return "paused"
	case !s.Configured:
		return "not configured"
	case s.HeldUntil.After(now):
		return "resting"
	default:
		return "sending"
	}
}

func newOutboxStats() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "stats", Short: "Show how every channel stands", Args: noArgs,
		Long: `Show how every channel stands: what is scheduled, how much of it is due and since when,
what is being sent, the dead letters, and what was done since the store was made.

A channel is sending; or resting, because the other side asked for it or is in trouble;
or paused, by a person or because the other side does not take its credentials; or not
configured on the node that served it last. Whatever it is, its deliveries wait.`,
		Example: "  ferryman outbox stats\n  ferryman outbox stats --json | jq '.[] | select(.state == \"paused\")'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				all, err := a.Outbox.Stats(ctx)
				if err != nil {
					return err
				}
				now := a.Now()
				if !asJSON {
					return statsTable(cmd.OutOrStdout(), all, now)
				}
				shown := make([]shownStats, len(all))
				for i, s := range all {
					shown[i] = showStats(s, now)
				}
				return printJSON(cmd, shown)
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func statsTable(out io.Writer, all []outbox.ChannelStats, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHANNEL\tSTATE\tSCHEDULED\tDUE\tOLDEST DUE\tSENDING\tDEAD LETTERS\tSENT\tRETRIED\tUNCERTAIN\tEXPIRED\tREMARK")
	for _, s := range all {
		remark := ""
		switch state := channelState(s, now); state {
		case "paused":
			remark = fmt.Sprintf("by a %s since %s: %s", s.PausedBy, cell(s.PausedAt, "?"), oneLine(s.PauseReason))
		case "resting":
			remark = "until " + cell(s.HeldUntil, "")
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Name, channelState(s, now), s.Waiting, s.Due, cell(s.OldestDue, "none"),
			s.Sending, s.Failed, s.Totals.Sent, s.Totals.Retried, s.Totals.Uncertain, s.Totals.Expired, remark)
	}
	return w.Flush()
}

func newOutboxPause() *cobra.Command {
	var reason string
	var asJSON bool
	c := &cobra.Command{
		Use: "pause CHANNEL", Short: "Keep a channel from sending until it is resumed",
		Long: `Keep a channel from sending until it is resumed, on all nodes and across restarts. Its
deliveries wait; what is under way is finished.`,
		Example: "  ferryman outbox pause telegram --reason 'the bot is being moved'",
		Args:    oneArg("CHANNEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usageError{cmd, errors.New("--reason is needed: others will want to know")}
			}
			return changeChannel(cmd, args[0], asJSON, "paused", func(ctx context.Context, a *app.Admin) error {
				return a.Outbox.Pause(ctx, args[0], reason)
			})
		},
	}
	addAdminFlags(c)
	c.Flags().StringVar(&reason, "reason", "", "why, for others to read")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func newOutboxResume() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "resume CHANNEL", Short: "End a channel's pause, and any rest",
		Long: `End a channel's pause, whoever made it, and any rest that it keeps because the other
side is in trouble.`,
		Example: "  ferryman outbox resume telegram",
		Args:    oneArg("CHANNEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeChannel(cmd, args[0], asJSON, "resumed", func(ctx context.Context, a *app.Admin) error {
				return a.Outbox.Resume(ctx, args[0])
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// changeChannel changes a channel and says so. One that nobody has heard of is
// changed, too, with a word on that: it may be a slip.
func changeChannel(cmd *cobra.Command, name string, asJSON bool, done string, change func(context.Context, *app.Admin) error) error {
	return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
		before, err := a.Outbox.Stats(ctx)
		if err != nil {
			return err
		}
		if err := change(ctx, a); err != nil {
			return err
		}
		if !slices.ContainsFunc(before, func(s outbox.ChannelStats) bool { return s.Name == name }) {
			fmt.Fprintf(cmd.ErrOrStderr(), "ferryman: nothing was known of a channel %q until now; see ferryman outbox stats\n", name)
		}
		if asJSON {
			return printJSON(cmd, map[string]string{done: name})
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), name)
		return err
	})
}
