package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/node"
)

func newNode() *cobra.Command {
	return group("node", "See the nodes that serve the store, and take one out of work", newNodeList(), newNodeDrain(), newNodeResume())
}

// nodeJSON is a node as --json prints it.
type nodeJSON struct {
	Name      string     `json:"name"`
	State     node.State `json:"state"`
	Version   string     `json:"version"`
	URL       string     `json:"url"`
	StartedAt time.Time  `json:"started_at"`
	SeenAt    time.Time  `json:"seen_at"`
	DrainAt   *time.Time `json:"drain_at"`
	DrainedAt *time.Time `json:"drained_at"`
}

func nodeAsJSON(n node.Node) nodeJSON {
	return nodeJSON{n.Name, n.State, n.Version, n.URL, n.StartedAt, n.SeenAt, optional(n.DrainAt), optional(n.DrainedAt)}
}

func newNodeList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the nodes, with what they are and whether they answer", Args: noArgs,
		Long: `List the nodes, with what they are and whether they answer: the processes that serve the
store. A node that has not said for some seconds that it lives is silent; it is
listed for a day. (With a store in a file, of one node, it says so once a minute.)`,
		Example: "  ferryman node list\n  ferryman node list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				all, err := a.Nodes.List(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					shown := make([]nodeJSON, len(all))
					for i, n := range all {
						shown[i] = nodeAsJSON(n)
					}
					return printJSON(cmd, shown)
				}
				t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "NAME\tSTATE\tVERSION\tURL\tSTARTED\tSEEN")
				for _, n := range all {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, n.State, n.Version, n.URL, cell(n.StartedAt, ""), cell(n.SeenAt, ""))
				}
				return t.Flush()
			})
		},
	}
	addAdminFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func newNodeDrain() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "drain NAME", Short: "Have a node begin nothing more, and finish what it has begun",
		Long: `Have a node begin nothing more, and finish what it has begun: the others do the rest.
It goes on to answer calls, but /readyz tells those who spread them to leave it out.
Then it can be stopped, and nothing is cut off. Where one node is on a machine, the
machine's name will do. A store in a file has one node: while that is drained nothing
is run, and nothing is sent.`,
		Example: "  ferryman node drain web-1 --wait 10m",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withNode(cmd, args[0], func(ctx context.Context, a *app.Admin, n node.Node) error {
				if n.Gone() {
					return silentNode(n)
				}
				if err := a.Nodes.Drain(ctx, n.Name); err != nil {
					return err
				}
				cmd.Annotations = map[string]string{didCount: "asked"} // whatever comes of waiting
				n, err := awaitDrained(ctx, a.Nodes, n.Name, wait)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", n.Name, n.State)
				return err
			})
		},
	}
	addAdminFlags(c)
	c.Flags().DurationVar(&wait, "wait", 0, "how long to wait until nothing runs on it, such as 10m")
	return c
}

// awaitDrained waits until nothing runs on the node, for so long at most.
func awaitDrained(ctx context.Context, book *node.Book, name string, wait time.Duration) (node.Node, error) {
	late := time.NewTimer(wait)
	defer late.Stop()
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for {
		n, err := book.Find(ctx, name)
		if err != nil || n.State == node.Drained || wait == 0 {
			return n, err
		}
		select {
		case <-look.C:
		case <-late.C:
			return n, &fault.Error{
				Kind: fault.Timeout, Code: "still_draining", Detail: fmt.Sprintf("after %v %s is %s, not drained", wait, n.Name, n.State),
				Hint: `"ferryman node list" tells when it is`,
			}
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
}

func newNodeResume() *cobra.Command {
	c := &cobra.Command{
		Use: "resume NAME", Short: "Have a drained node work again",
		Example: "  ferryman node resume web-1",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withNode(cmd, args[0], func(ctx context.Context, a *app.Admin, n node.Node) error {
				if n.Gone() {
					return silentNode(n)
				}
				if err := a.Nodes.Resume(ctx, n.Name); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is to work again\n", n.Name)
				return err
			})
		},
	}
	addAdminFlags(c)
	return c
}

// withNode is withAdmin, for a node.
func withNode(cmd *cobra.Command, name string, fn func(ctx context.Context, a *app.Admin, n node.Node) error) error {
	return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
		n, err := a.Nodes.Find(ctx, name)
		if err != nil {
			return err
		}
		return fn(ctx, a, n)
	})
}

func silentNode(n node.Node) error {
	return &fault.Error{
		Kind: fault.Conflict, Code: "node_silent", Detail: "the node " + n.Name + " has not said since " + cell(n.SeenAt, "its start") + " that it lives",
		Hint: "look whether its process is there; if it is not, others go on with what it had begun",
	}
}
