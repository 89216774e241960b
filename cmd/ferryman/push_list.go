package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/pushclient"
)

func messageStates() []string {
	return []string{"scheduled", "sending", "sent", "failed", "cancelled", "expired"}
}

// listFlags select messages.
type listFlags struct {
	state, via, to string
	after          int64
	limit          int
	asJSON         bool
}

// filter judges the flags.
func (f *listFlags) filter() (pushclient.Filter, error) {
	filter := pushclient.Filter{State: f.state, UserID: f.to, After: f.after}
	if f.state != "" && !slices.Contains(messageStates(), f.state) {
		return filter, badFlag("--state is %q, expected one of %s", f.state, strings.Join(messageStates(), ", "))
	}
	if f.limit < 0 {
		return filter, badFlag("--limit is %d, expected 1 or more, or 0 for all", f.limit)
	}
	if f.after < 0 {
		return filter, badFlag("--after is %d, expected the id of a message", f.after)
	}
	if f.via != "" {
		id, err := messenger(f.via)
		if err != nil {
			return filter, err
		}
		filter.Messenger = id
	}
	return filter, nil
}

func newPushList() *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use: "list", Short: "List messages and what became of them", Args: noArgs,
		Long: `List messages, oldest first, and what became of them: ` + strings.Join(messageStates(), ", ") + `.` + pushUsage(),
		Example: `  ferryman push list --state failed
  ferryman push list --via telegram --to 123 --limit 0
  ferryman push list --state failed --limit 0 --json | jq -r '.[].id' | xargs ferryman push retry`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPush(cmd, func(ctx context.Context, c *pushclient.Client) error {
				filter, err := f.filter()
				if err != nil {
					return err
				}
				var more bool
				if f.asJSON {
					more, err = messagesJSON(ctx, cmd.OutOrStdout(), c, filter, f.limit)
				} else {
					more, err = messagesTable(ctx, cmd.OutOrStdout(), c, filter, f.limit)
				}
				if more {
					fmt.Fprintln(cmd.ErrOrStderr(), "ferryman: there are more; see --limit and --after")
				}
				return err
			})
		},
	}
	addPushFlags(c)
	fs := c.Flags()
	fs.StringVar(&f.state, "state", "", "only those in this state")
	addVia(c, &f.via, "only those by this messenger")
	fs.StringVar(&f.to, "to", "", "only those to this person")
	fs.Int64Var(&f.after, "after", 0, "only those with a higher id")
	fs.IntVar(&f.limit, "limit", 100, "how many at most; 0 is all")
	fs.BoolVar(&f.asJSON, "json", false, "print one JSON array")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(messageStates(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

// eachPage runs fn for pages of up to limit messages in all, and tells whether
// there are more.
func eachPage(ctx context.Context, c *pushclient.Client, f pushclient.Filter, limit int, fn func([]pushclient.Message) error) (bool, error) {
	for left := limit; ; {
		f.Limit = pushclient.MaxPage
		if limit > 0 {
			f.Limit = min(left, pushclient.MaxPage)
		}
		page, more, err := c.List(ctx, f)
		if err != nil {
			return false, err
		}
		if err := fn(page); err != nil {
			return false, err
		}
		left -= len(page)
		if !more || len(page) == 0 || limit > 0 && left <= 0 {
			return more, nil
		}
		f.After = page[len(page)-1].ID
	}
}

// messagesJSON writes an array with one page in memory.
func messagesJSON(ctx context.Context, out io.Writer, c *pushclient.Client, f pushclient.Filter, limit int) (bool, error) {
	w := arrayWriter{out: out}
	more, err := eachPage(ctx, c, f, limit, func(page []pushclient.Message) error {
		for _, m := range page {
			if err := w.add(rawJSON(m)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return more, w.close()
}

func messagesTable(ctx context.Context, out io.Writer, c *pushclient.Client, f pushclient.Filter, limit int) (bool, error) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tVIA\tTO\tAT\tATTEMPTS\tTEXT\tLAST ERROR")
	return eachPage(ctx, c, f, limit, func(page []pushclient.Message) error {
		for _, m := range page {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", m.ID, oneLine(m.State), pushclient.MessengerName(m.Messenger), oneLine(m.UserID),
				when(m.StartAt, "at once"), m.Attempts, inBrief(m.Text), inBrief(m.LastError))
		}
		return w.Flush()
	})
}

// briefly is how many characters of a text stand in a table.
const briefly = 40

// inBrief is the beginning of a text, on one line.
func inBrief(s string) string {
	text := []rune(oneLine(s))
	if len(text) > briefly {
		return string(text[:briefly-1]) + "…"
	}
	return string(text)
}

// when is a time in a table that may be missing.
func when(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return cell(*t, none)
}

// rawJSON is a message as the server wrote it.
func rawJSON(m pushclient.Message) json.RawMessage { return json.RawMessage(m.JSON) }

func newPushShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a message and what became of it", Args: oneID,
		Long:    "Show a message and what became of it. With --json it is as GET /messages/{id}/ gives it." + pushUsage(),
		Example: "  ferryman push show 17\n  ferryman push show 17 --json | jq -r .state",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPush(cmd, func(ctx context.Context, c *pushclient.Client) error {
				m, err := c.Get(ctx, parseID(args[0]))
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, rawJSON(m))
				}
				return showMessage(cmd.OutOrStdout(), m)
			})
		},
	}
	addPushFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func showMessage(out io.Writer, m pushclient.Message) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"Message", fmt.Sprint(m.ID)}, {"State", m.State}, {"To", m.UserID}, {"Via", pushclient.MessengerName(m.Messenger)}, {"Text", m.Text},
		{"To be sent", when(m.StartAt, "at once")}, {"Expires", when(m.ExpiresAt, "never")}, {"Attempts", fmt.Sprint(m.Attempts)},
		{"Next attempt", when(m.NextAttemptAt, "none")}, {"Held", orNone(m.Held)}, {"Sent", when(m.SentAt, "not")}, {"Last error", orNone(m.LastError)},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], oneLine(line[1]))
	}
	return w.Flush()
}
