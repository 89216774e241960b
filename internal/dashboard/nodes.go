package dashboard

import (
	"net/url"

	"ferryman/internal/audit"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
)

// runsOfNode is how many runs of a node the page of nodes has; the list of runs has
// the others.
const runsOfNode = 10

func (d *Dashboard) nodePages() []page {
	return []page{{pattern: Root + "nodes", area: "nodes", who: operators, show: d.nodes}}
}

func (d *Dashboard) nodeActions() []action {
	return []action{
		{Root + "nodes/{name}/drain", "node.drain", operators, d.drainNode},
		{Root + "nodes/{name}/resume", "node.resume", operators, d.resumeNode},
	}
}

// nodesPage is what the page of nodes shows.
type nodesPage struct {
	Nodes    []nodeRow
	Shared   bool   // the store can have several nodes
	Draining string // what it would do
}

// nodeRow is a node and what it is at.
type nodeRow struct {
	node.Node
	Here    bool // the pages come from it
	Runs    []ledger.ListedExecution
	More    bool // there are more runs
	Sending int64
}

// nodes is the page of the processes that serve the store.
func (d *Dashboard) nodes(r *request) (view, error) {
	all, err := d.o.Nodes.List(r.Context())
	if err != nil {
		return view{}, err
	}
	sending, err := d.o.Outbox.Sending(r.Context())
	if err != nil {
		return view{}, err
	}
	p := nodesPage{Nodes: make([]nodeRow, len(all)), Shared: d.o.Node.Shared}
	p.Draining = "It begins nothing more and finishes what it is at. It goes on to answer calls, but /readyz tells load balancers to leave it out."
	if !p.Shared {
		p.Draining += " There is no other: until it is resumed nothing is run, and nothing is sent."
	}
	for i, n := range all {
		row := nodeRow{Node: n, Here: n.Name == d.o.Node.Name, Sending: sending[n.Name]}
		if row.Here && !p.Shared && n.State == node.Silent { // it cannot write it, and is the only one
			row.State = node.Working
		}
		if row.Gone() { // nobody knows
			p.Nodes[i] = row
			continue
		}
		row.Runs, _, err = d.o.Ledger.Executions(r.Context(), ledger.ExecutionFilter{Host: n.Name, Statuses: []ledger.Status{ledger.Running}, Limit: runsOfNode + 1})
		if err != nil {
			return view{}, err
		}
		if len(row.Runs) > runsOfNode {
			row.Runs, row.More = row.Runs[:runsOfNode], true
		}
		p.Nodes[i] = row
	}
	return view{template: "nodes", title: "Nodes", data: p, live: []string{"nodes", "ledger"}}, nil
}

func (d *Dashboard) drainNode(r *request) (done, error) {
	name := r.PathValue("name")
	if err := d.o.Nodes.Drain(r.Context(), name); err != nil {
		return done{}, err
	}
	return done{say: "The node begins nothing more, and finishes what it is at.", target: audit.Node(name), undo: &undo{Path: Root + "nodes/" + url.PathEscape(name) + "/resume"}}, nil
}

func (d *Dashboard) resumeNode(r *request) (done, error) {
	name := r.PathValue("name")
	if err := d.o.Nodes.Resume(r.Context(), name); err != nil {
		return done{}, err
	}
	return done{say: "The node is to work again.", target: audit.Node(name)}, nil
}
