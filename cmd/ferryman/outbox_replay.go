package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/outbox"
)

func newOutboxReplay() *cobra.Command {
	var s outbox.Selection
	var ids []int64
	var since string
	var asJSON bool
	c := &cobra.Command{
		Use: "replay", Short: "Revive dead letters", Args: noArgs,
		Long: `Revive dead letters, the deliveries that failed for good: they are due at once, with
all their attempts before them. The flags together say which; all that are given must
hold. What has not failed stays as it is. Prints how many were revived.`,
		Example: `  ferryman outbox replay --id 17,18
  ferryman outbox replay --channel telegram --code 401 --since 2h
  ferryman outbox replay --from 1000 --to 1999
  ferryman outbox replay --all`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				var err error
				if s.Since, err = ago(since, a.Now()); err != nil {
					return err
				}
				if s.IDs = ids; !selects(s) {
					return badFlag("say which: --id, --from and --to, --channel, --code, --since, or --all")
				}
				if err := plausible(s); err != nil {
					return err
				}
				n, err := a.Outbox.Replay(ctx, s)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, map[string]int64{"revived": n})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d revived\n", n)
				return err
			})
		},
	}
	addAdminFlags(c)
	fs := c.Flags()
	fs.Int64SliceVar(&ids, "id", nil, "these, separated by commas")
	fs.Int64Var(&s.From, "from", 0, "ids from this one on")
	fs.Int64Var(&s.To, "to", 0, "ids up to this one")
	fs.StringVar(&s.Channel, "channel", "", "those by this channel")
	fs.StringVar(&s.Code, "code", "", "those whose last error has this code; see ferryman outbox show")
	fs.StringVar(&since, "since", "", "those that failed since then: 2h, 1d, 2030-01-31 or 2030-01-31T18:00:00Z")
	fs.BoolVar(&s.All, "all", false, "all there are")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// selects tells whether a selection says anything.
func selects(s outbox.Selection) bool {
	return s.All || len(s.IDs) > 0 || s.From != 0 || s.To != 0 || s.Channel != "" || s.Code != "" || !s.Since.IsZero()
}

// plausible refuses what can select nothing.
func plausible(s outbox.Selection) error {
	for _, id := range s.IDs {
		if id < 1 {
			return badFlag("--id has %d, expected whole numbers from 1 on", id)
		}
	}
	switch {
	case s.From < 0:
		return badFlag("--from is %d, expected an id", s.From)
	case s.To < 0:
		return badFlag("--to is %d, expected an id", s.To)
	case s.To != 0 && s.From > s.To:
		return badFlag("--from is above --to")
	}
	return nil
}

// ago reads a moment of the past: a day, a time, or a length before now; "" is
// the zero time.
func ago(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); err == nil && n == 1 && text == fmt.Sprintf("%dd", days) && days > 0 && days <= 36500 {
		return now.AddDate(0, 0, -days), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, badFlag("--since is %q, expected a length such as 2h or 1d, a day such as 2030-01-31, or a moment such as 2030-01-31T18:00:00Z", text)
}
