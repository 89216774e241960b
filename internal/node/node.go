// Package node keeps the book of the processes that serve a store: which there are,
// whether they answer, and which of them are to begin nothing more.
//
// The book is for people and for draining. Who may take over whose work does not
// depend on it: jobs, executions and deliveries have locks and leases of their own.
package node

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

const (
	// beat is how often a node looks whether it is to drain, and says that it lives;
	// on SQLite, where a store has one node, that is written once in a while.
	beat        = time.Second
	beatsSQLite = 60
	// silentBeats without a sign of life make a node silent.
	silentBeats = 5
	// forgetAfter is how long silent nodes are kept for people to see.
	forgetAfter = 24 * time.Hour
	// listMost is how many nodes a list has.
	listMost = 200
)

// State is what a node is doing.
type State string

// The states.
const (
	Working  State = "working"
	Draining State = "draining" // it begins nothing more, and finishes what it has begun
	Drained  State = "drained"  // nothing runs on it
	Silent   State = "silent"   // it has not said for a while that it lives
	Replaced State = "replaced" // it is silent, and one that began later has its place
)

// ErrNoNode says that no node has the name.
var ErrNoNode = &fault.Error{
	Kind: fault.NotFound, Code: "no_node", Detail: "no node of this store has that name",
	Hint: `"ferryman node list" has their names`,
}

// Node is a process that serves the store. Times are UTC, by the store's clock.
type Node struct {
	Name      string
	Version   string // of its build
	URL       string // where it listens, as seen from its own machine
	StartedAt time.Time
	SeenAt    time.Time // up to a minute behind on SQLite
	DrainAt   time.Time // since when it is to begin nothing more; zero: it is to work
	DrainedAt time.Time // since when nothing runs on it; zero: something may
	State     State

	// ReplacedBy is the newest node on the same machine at the same address that began
	// after this one was last seen, as its restart does: of a silent one; "" if there is none.
	ReplacedBy string
}

// Trouble tells whether the node ended without saying so, or hangs, and nobody has its place.
func (n Node) Trouble() bool { return n.State == Silent }

// Gone tells whether the node has not said for a while that it lives.
func (n Node) Gone() bool { return n.State == Silent || n.State == Replaced }

// States gives all states, in the order in which they are told.
func States() []State { return []State{Working, Draining, Drained, Silent, Replaced} }

// Book is the nodes of a store. It is safe for concurrent use.
type Book struct {
	db  *db.DB
	log *slog.Logger
}

// New opens the book of a migrated store.
func New(d *db.DB, log *slog.Logger) *Book { return &Book{db: d, log: log} }

// every is how often a node writes that it lives.
func (b *Book) every() time.Duration {
	if b.db.Dialect() == db.SQLite {
		return beatsSQLite * beat
	}
	return beat
}

const columns = "name, version, url, started_at, seen_at, drain_at, drained_at"

// List gives the nodes, those that have been there for longest first. Silent ones
// are among them for a day, as far as there is room.
func (b *Book) List(ctx context.Context) ([]Node, error) {
	rows, err := b.db.Query(ctx, "SELECT "+columns+" FROM nodes ORDER BY seen_at DESC, name LIMIT $1", listMost)
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	silent := b.db.Now().Add(-silentBeats * b.every())
	all, err := db.Collect(rows, func(r *db.Rows) (Node, error) { return scan(r, silent) })
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	slices.SortFunc(all, func(a, b Node) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.Name, b.Name))
	})
	replace(all)
	return all, nil
}

// replace finds for silent nodes the newest that has their place. They are in the order of
// their starts.
func replace(all []Node) {
	type place struct{ machine, url string }
	newest := map[place]Node{}
	for i, n := range slices.Backward(all) {
		at := place{machineOf(n.Name), n.URL}
		if at.machine == "" || at.url == "" {
			continue
		}
		by, taken := newest[at]
		switch {
		case !taken:
			newest[at] = n
		case n.State == Silent && !by.StartedAt.Before(n.SeenAt):
			all[i].State, all[i].ReplacedBy = Replaced, by.Name
		}
	}
}

func scan(r interface{ Scan(...any) error }, silent time.Time) (n Node, err error) {
	err = r.Scan(&n.Name, &n.Version, &n.URL, db.ScanTime(&n.StartedAt), db.ScanTime(&n.SeenAt), db.ScanTime(&n.DrainAt), db.ScanTime(&n.DrainedAt))
	switch {
	case n.SeenAt.Before(silent):
		n.State = Silent
	case n.DrainAt.IsZero():
		n.State = Working
	case n.DrainedAt.IsZero():
		n.State = Draining
	default:
		n.State = Drained
	}
	return n, err
}

// Find gives the node of a name, or of the name of a machine on which one node is
// that lives. It gives ErrNoNode, or a fault of kind Conflict with those that
// come into question.
func (b *Book) Find(ctx context.Context, name string) (Node, error) {
	all, err := b.List(ctx)
	if err != nil {
		return Node{}, err
	}
	var found []Node
	for _, n := range all {
		if n.Name == name {
			return n, nil
		}
		if !n.Gone() && machineOf(n.Name) == name {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return Node{}, ErrNoNode
	case 1:
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, n := range found {
		names[i] = n.Name
	}
	return Node{}, &fault.Error{
		Kind: fault.Conflict, Code: "many_nodes", Detail: fmt.Sprintf("there are %d nodes on that machine: %s", len(found), strings.Join(names, ", ")),
		Hint: "give the whole name of one",
	}
}

// machineOf gives the machine in the name of a node, which is MACHINE-PROCESS-RANDOM.
func machineOf(node string) string {
	for range 2 {
		cut := strings.LastIndexByte(node, '-')
		if cut < 0 {
			return ""
		}
		node = node[:cut]
	}
	return node
}

// Drain has a node begin nothing more. It goes on to answer calls, and finishes what
// it has begun: then it is drained. To ask again changes nothing.
func (b *Book) Drain(ctx context.Context, name string) error {
	return b.change(ctx, "UPDATE nodes SET drain_at = coalesce(drain_at, $2) WHERE name = $1", name, db.Time{Time: b.db.Now()})
}

// Resume has a node work again that was drained.
func (b *Book) Resume(ctx context.Context, name string) error {
	return b.change(ctx, "UPDATE nodes SET drain_at = NULL, drained_at = NULL WHERE name = $1", name)
}

func (b *Book) change(ctx context.Context, statement string, args ...any) error {
	return b.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, statement, args...)
		if err == nil && n == 0 {
			return ErrNoNode
		}
		return err
	})
}

// Pulse gives a text that differs once a node has come, gone or changed its state.
func (b *Book) Pulse(ctx context.Context) (string, error) {
	all, err := b.List(ctx)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, n := range all {
		fmt.Fprintf(&text, "%s %s,", n.Name, n.State)
	}
	return text.String(), nil
}
