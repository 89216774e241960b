package main

import (
	"context"
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

// topics are the names of what deliveries are about.
func topics() []string { return []string{"message", "alert", "contact"} }

func topicName(t outbox.Topic) string {
	if int(t) < len(topics()) && t >= 0 {
		return topics()[t]
	}
	return fmt.Sprint(int(t))
}

// shownDelivery is a delivery for scripts.
type shownDelivery struct {
	ID        int64      `json:"id"`
	Topic     string     `json:"topic"`
	Channel   string     `json:"channel"`
	Recipient string     `json:"recipient"`
	State     string     `json:"state"`
	Payload   string     `json:"payload"`
	OrderKey  string     `json:"order_key"`
	CreatedAt time.Time  `json:"created_at"`
	StartAt   *time.Time `json:"start_at"`
	DueAt     *time.Time `json:"due_at"` // while it is scheduled
	ExpiresAt *time.Time `json:"expires_at"`
	EndedAt   *time.Time `json:"ended_at"`
	Attempts  int        `json:"attempts"`
	Uncertain int        `json:"uncertain"`
	LastError string     `json:"last_error"`
	Reference string     `json:"reference"`

	Kept *[]shownAttempt `json:"kept_attempts,omitempty"` // of one that is shown alone
}

// shownAttempt is an attempt for scripts.
type shownAttempt struct {
	N       int       `json:"n"`
	At      time.Time `json:"at"`
	TookMS  *float64  `json:"took_ms"` // null: nobody saw its end
	Outcome string    `json:"outcome"`
	Status  int       `json:"status"` // 0: no answer
	Code    string    `json:"code"`
	Detail  string    `json:"detail"`
}

func showDelivery(r outbox.Row) shownDelivery {
	return shownDelivery{
		ID: r.ID, Topic: topicName(r.Topic), Channel: r.Channel, Recipient: r.Recipient, State: r.State.String(), Payload: r.Payload,
		OrderKey: r.OrderKey, CreatedAt: r.CreatedAt, StartAt: r.StartAt, DueAt: optional(dueAt(r)), ExpiresAt: r.ExpiresAt,
		EndedAt: optional(r.EndedAt), Attempts: r.Attempts, Uncertain: r.Uncertain, LastError: r.LastError, Reference: r.Reference,
	}
}

// dueAt is when the next attempt is due; zero if there is none.
func dueAt(r outbox.Row) time.Time {
	if r.State == outbox.Waiting || r.State == outbox.Behind {
		return r.DueAt
	}
	return time.Time{}
}

func showAttempts(all []outbox.Attempt) *[]shownAttempt {
	shown := make([]shownAttempt, len(all))
	for i, a := range all {
		shown[i] = shownAttempt{N: a.N, At: a.At, Outcome: string(a.Verdict), Status: a.Status, Code: a.Code, Detail: a.Detail}
		if a.Took > 0 {
			ms := float64(a.Took.Microseconds()) / 1000
			shown[i].TookMS = &ms
		}
	}
	return &shown
}

type outboxFilter struct {
	state, topic, channel, to string
	after                     int64
	limit                     int
	asJSON                    bool
}

// filter judges the flags.
func (f *outboxFilter) filter() (outbox.Filter, error) {
	filter := outbox.Filter{Channel: f.channel, Recipient: f.to, After: f.after}
	if f.state != "" {
		for _, s := range []outbox.State{outbox.Waiting, outbox.Sending, outbox.Behind, outbox.Sent, outbox.Failed, outbox.Cancelled, outbox.Expired} {
			if s.String() == f.state {
				filter.States = append(filter.States, s)
			}
		}
		if len(filter.States) == 0 {
			return filter, badFlag("--state is %q, expected one of %s", f.state, strings.Join(messageStates(), ", "))
		}
	}
	if f.topic != "" {
		n := slices.Index(topics(), f.topic)
		if n < 0 {
			return filter, badFlag("--topic is %q, expected one of %s", f.topic, strings.Join(topics(), ", "))
		}
		filter.Topics = []outbox.Topic{outbox.Topic(n)}
	}
	switch {
	case f.limit < 0:
		return filter, badFlag("--limit is %d, expected 1 or more, or 0 for all", f.limit)
	case f.after < 0:
		return filter, badFlag("--after is %d, expected the id of a delivery", f.after)
	}
	return filter, nil
}

func newOutboxList() *cobra.Command {
	var f outboxFilter
	c := &cobra.Command{
		Use: "list", Short: "List deliveries", Args: noArgs,
		Long: `List deliveries in the order of their ids. A delivery is one of these: ` + strings.Join(messageStates(), ", ") + `.
What failed is a dead letter, which ferryman outbox replay revives.`,
		Example: "  ferryman outbox list --state failed --channel telegram\n  ferryman outbox list --topic alert --limit 0 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				filter, err := f.filter()
				if err != nil {
					return err
				}
				var more bool
				if f.asJSON {
					more, err = deliveriesJSON(ctx, cmd, a, filter, f.limit)
				} else {
					more, err = deliveriesTable(ctx, cmd.OutOrStdout(), a, filter, f.limit)
				}
				if more {
					fmt.Fprintln(cmd.ErrOrStderr(), "ferryman: there are more; see --limit and --after")
				}
				return err
			})
		},
	}
	addAdminFlags(c)
	fs := c.Flags()
	fs.StringVar(&f.state, "state", "", "only those in this state")
	fs.StringVar(&f.topic, "topic", "", "only those about this: "+strings.Join(topics(), ", "))
	fs.StringVar(&f.channel, "channel", "", "only those by this channel, such as telegram")
	fs.StringVar(&f.to, "to", "", "only those to this recipient")
	fs.Int64Var(&f.after, "after", 0, "only those with a higher id")
	fs.IntVar(&f.limit, "limit", 100, "how many at most; 0 is all")
	fs.BoolVar(&f.asJSON, "json", false, "print one JSON array")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(messageStates(), cobra.ShellCompDirectiveNoFileComp)) // the flags are there
	_ = c.RegisterFlagCompletionFunc("topic", cobra.FixedCompletions(topics(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// eachDelivery runs fn for up to limit deliveries, with one page in memory, and
// tells whether there are more.
func eachDelivery(ctx context.Context, a *app.Admin, f outbox.Filter, limit int, fn func(outbox.Row) error) (bool, error) {
	f.Limit = pageSize
	for n := 0; ; {
		page, err := a.Outbox.List(ctx, f)
		if err != nil {
			return false, err
		}
		for _, r := range page {
			if n == limit && limit > 0 {
				return true, nil
			}
			if err := fn(r); err != nil {
				return false, err
			}
			n++
			f.After = r.ID
		}
		if len(page) < f.Limit {
			return false, nil
		}
	}
}

func deliveriesJSON(ctx context.Context, cmd *cobra.Command, a *app.Admin, f outbox.Filter, limit int) (bool, error) {
	w := arrayWriter{out: cmd.OutOrStdout()}
	more, err := eachDelivery(ctx, a, f, limit, func(r outbox.Row) error { return w.add(showDelivery(r)) })
	if err != nil {
		return false, err
	}
	return more, w.close()
}

func deliveriesTable(ctx context.Context, out io.Writer, a *app.Admin, f outbox.Filter, limit int) (bool, error) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tTOPIC\tCHANNEL\tRECIPIENT\tDUE\tENDED\tATTEMPTS\tPAYLOAD\tLAST ERROR")
	n := 0
	more, err := eachDelivery(ctx, a, f, limit, func(r outbox.Row) error {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.ID, r.State, topicName(r.Topic), oneLine(r.Channel), inBrief(r.Recipient),
			cell(dueAt(r), ""), cell(r.EndedAt, ""), r.Attempts, inBrief(r.Payload), inBrief(r.LastError))
		if n++; n%pageSize == 0 {
			return w.Flush()
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return more, w.Flush()
}
