package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
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

	ReplacedBy string        `json:"replaced_by,omitempty"`
	Running    []nodeRunJSON `json:"running"` // the newest, 100 at most; none where nobody knows
	Sending    int64         `json:"sending"` // deliveries under way
}

// nodeRunJSON is a run that a node is at.
type nodeRunJSON struct {
	Execution int64     `json:"execution"`
	App       string    `json:"app"`
	Cron      string    `json:"cron"`
	StartedAt time.Time `json:"started_at"`
}

// nodeRunsMost is how many runs of a node are read.
const nodeRunsMost = 100

// nodesAtWork gives the nodes with what they are at.
func nodesAtWork(ctx context.Context, a *app.Admin) ([]nodeJSON, error) {
	all, err := a.Nodes.List(ctx)
	if err != nil {
		return nil, err
	}
	sending, err := a.Outbox.Sending(ctx)
	if err != nil {
		return nil, err
	}
	shown := make([]nodeJSON, len(all))
	for i, n := range all {
		shown[i] = nodeJSON{
			n.Name, n.State, n.Version, n.URL, n.StartedAt, n.SeenAt, optional(n.DrainAt), optional(n.DrainedAt),
			n.ReplacedBy, []nodeRunJSON{}, sending[n.Name],
		}
		if n.Gone() {
			continue
		}
		runs, _, err := a.Ledger.Executions(ctx, ledger.ExecutionFilter{Host: n.Name, Statuses: []ledger.Status{ledger.Running}, Limit: nodeRunsMost})
		if err != nil {
			return nil, err
		}
		for _, e := range runs {
			shown[i].Running = append(shown[i].Running, nodeRunJSON{e.ID, e.App, e.Slug, e.StartedAt})
		}
	}
	return shown, nil
}

// at says in a few words what the node is at.
func (n nodeJSON) at() string {
	const some = 3
	var parts []string
	for i, e := range n.Running {
		if i == some {
			parts = append(parts, fmt.Sprintf("%d more", len(n.Running)-some))
			break
		}
		parts = append(parts, e.App+"/"+e.Cron)
	}
	if n.Sending > 0 {
		parts = append(parts, fmt.Sprintf("sending %d", n.Sending))
	}
	switch {
	case n.ReplacedBy != "":
		return "replaced by " + n.ReplacedBy
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	}
	return "-"
}

func newNodeList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the nodes, with what they are, whether they answer and what they are at", Args: noArgs,
		Long: `List the nodes, with what they are, whether they answer and what they are at: the
processes that serve the store. A node that has not said for some seconds that it lives
is silent; it is listed for a day, as replaced if another has begun since on the same
machine, at the same address. (With a store in a file, of one node, it says so once a
minute.)`,
		Example: "  ferryman node list\n  ferryman node list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, func(ctx context.Context, a *app.Admin) error {
				all, err := nodesAtWork(ctx, a)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, all)
				}
				t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "NAME\tSTATE\tVERSION\tURL\tSTARTED\tSEEN\tAT WORK ON")
				for _, n := range all {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, n.State, n.Version, n.URL, cell(n.StartedAt, ""), cell(n.SeenAt, ""), n.at())
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
