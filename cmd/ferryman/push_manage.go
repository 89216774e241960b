package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ferryman/internal/fault"
	"ferryman/internal/pushclient"
)

// manyIDs is how many messages one command changes.
const manyIDs = 10_000

func newPushCancel() *cobra.Command {
	return changeMessages(&cobra.Command{
		Use: "cancel ID…", Short: "Cancel messages that are not sent yet",
		Long:    "Cancel messages that are not sent yet, and print their ids. The same text to the same\nperson can still not be sent anew." + pushUsage(),
		Example: "  ferryman push cancel 17 18",
	}, "cancelled", func(ctx context.Context, c *pushclient.Client, id int64) (json.RawMessage, error) {
		return nil, c.Cancel(ctx, id)
	})
}

func newPushRetry() *cobra.Command {
	return changeMessages(&cobra.Command{
		Use: "retry ID…", Short: "Send messages that failed once more",
		Long:    "Have messages that failed for good tried again, with all their attempts before them.\nSee ferryman outbox replay for many at once." + pushUsage(),
		Example: "  ferryman push retry 17 18\n  ferryman push list --state failed --json | jq -r '.[].id' | xargs ferryman push retry",
	}, "retried", func(ctx context.Context, c *pushclient.Client, id int64) (json.RawMessage, error) {
		m, err := c.Retry(ctx, id)
		return rawJSON(m), err
	})
}

func newPushMove() *cobra.Command {
	var at string
	c := changeMessages(&cobra.Command{
		Use: "move ID… --at TIME", Short: "Change when messages that are not sent yet are to be",
		Long: `Change when messages that are not sent yet are to be sent. A time is written as in the
API: YYYY-MM-DDThh:mm[:ss], in UTC unless it ends with an offset such as +02:00.` + pushUsage(),
		Example: "  ferryman push move 17 --at 2030-01-02T03:04+02:00\n  ferryman push move 17 --at now",
	}, "moved", func(ctx context.Context, c *pushclient.Client, id int64) (json.RawMessage, error) {
		switch at {
		case "":
			return nil, badFlag("--at is needed: a time such as 2030-01-02T03:04, or now")
		case "now":
			m, err := c.Move(ctx, id, "")
			return rawJSON(m), err
		default:
			m, err := c.Move(ctx, id, at)
			return rawJSON(m), err
		}
	})
	c.Flags().StringVar(&at, "at", "", "when to send them, such as 2030-01-02T03:04; now is at once")
	return c
}

// changeMessages makes c a command that changes messages one by one. That one
// cannot be changed does not keep the others from it.
func changeMessages(c *cobra.Command, done string, change func(context.Context, *pushclient.Client, int64) (json.RawMessage, error)) *cobra.Command {
	var asJSON bool
	c.Args = someIDs(manyIDs)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return withPush(cmd, func(ctx context.Context, client *pushclient.Client) error {
			changed, failed := []json.RawMessage{}, false
			for _, arg := range args {
				id := parseID(arg)
				m, err := change(ctx, client, id)
				refused, _ := errors.AsType[*pushclient.RefusedError](err)
				switch kind := fault.KindOf(err); {
				case err == nil && asJSON:
					if m == nil {
						m = json.RawMessage(fmt.Sprintf(`{"id":%d}`, id))
					}
					changed = append(changed, m)
				case err == nil:
					fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", id, done)
				case len(args) > 1 && (kind == fault.NotFound && fault.CodeOf(err) == "no_message" || kind == fault.Conflict):
					failed = true
					fmt.Fprintln(cmd.ErrOrStderr(), "ferryman:", oneLine(err.Error()))
				case len(args) > 1 && refused != nil:
					failed = true
					fmt.Fprintf(cmd.ErrOrStderr(), "ferryman: message %d: %v\n", id, flagged(cmd, err))
				default:
					return err
				}
			}
			if asJSON {
				if err := printJSON(cmd, changed); err != nil {
					return err
				}
			}
			if failed {
				return exitError(exitFailed)
			}
			return nil
		})
	}
	addPushFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array of what was changed")
	return c
}
