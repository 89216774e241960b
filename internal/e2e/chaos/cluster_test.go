//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/e2e/chaos/witness"
	"ferryman/internal/e2e/program"
)

// The load: some 50 calls a second, which leaves the machine time for all else.
const (
	reporters   = 4
	runEvery    = 400 * time.Millisecond
	senders     = 2
	listEvery   = 200 * time.Millisecond
	changeEvery = 100 * time.Millisecond
)

// node is a server among others, with a network of its own to the database.
type node struct {
	name  string
	state string
	env   []string
	wire  *proxy // nil: its store is a file

	*program.Server
}

// cluster is all that takes part.
type cluster struct {
	t        testing.TB
	chance   *rand.Rand
	patience time.Duration // bounds every wait for the nodes to be well again
	base     *postgres
	store    *sql.DB // Ferryman's own state, past every proxy
	target   *sql.DB // where rows go
	nodes    []*node

	doors    *witness.Doors
	reporter *witness.Reporter
	sender   *witness.Sender
	receiver *witness.Receiver
	upstream *witness.Upstream
	people   string // the receiver's address
	places   string // the upstream's
}

// pace gives answers that take from low to high milliseconds.
func pace(low, high int) func() time.Duration {
	return func() time.Duration { return time.Duration(low+rand.IntN(high-low)) * time.Millisecond }
}

// held in a hundred answers take so long that others may take the message over while
// its sender, which comes back, still waits.
const held = 2

// holding gives answers that are held now and then.
func holding(usual, long func() time.Duration) func() time.Duration {
	return func() time.Duration {
		if rand.IntN(100) < held {
			return long()
		}
		return usual()
	}
}

// newWitnesses makes what stands around the nodes.
func newWitnesses(t testing.TB, chance *rand.Rand) *cluster {
	t.Helper()
	c := &cluster{
		t: t, chance: chance, patience: 45 * time.Second, doors: witness.NewDoors(),
		receiver: &witness.Receiver{Pace: holding(pace(50, 400), pace(5_000, 10_000))},
		upstream: witness.NewUpstream(pace(300, 700)),
	}
	t.Cleanup(c.doors.Close)
	people, places := httptest.NewServer(c.receiver), httptest.NewServer(c.upstream)
	t.Cleanup(people.Close)
	t.Cleanup(places.Close)
	c.people, c.places = people.URL, places.URL
	c.reporter = &witness.Reporter{Doors: c.doors, Name: "run", Step: runEvery}
	c.sender = &witness.Sender{Doors: c.doors, Step: listEvery}
	return c
}

// env are the settings of a node that are the same on PostgreSQL and on SQLite.
func (c *cluster) env(name string) []string {
	return []string{
		"FERRYMAN_SECRET=" + strings.Repeat("chaos", 8), "FERRYMAN_KEY_RATE=0",
		"TELEGRAM_TOKEN=" + witness.TokenOf(name), "TELEGRAM_BASE_URL=" + c.people, "TELEGRAM_RATE=none", "TELEGRAM_RECIPIENT_RATE=none",
		"API_BASE_URL=" + c.places, "API_TOKEN=" + name, "INTERVAL_SCHEDULER_SECONDS=1",
		"FERRYMAN_STOP_GRACE_SECONDS=20", // who is told to stop waits for answers that are held
	}
}

// newCluster starts nodes on a database.
func newCluster(t testing.TB, chance *rand.Rand, base *postgres) *cluster {
	t.Helper()
	c := newWitnesses(t, chance)
	c.base = base
	c.store, c.target = c.base.create(t, "book"), c.base.create(t, "target")
	for _, name := range []string{"node-a", "node-b"} {
		n := &node{name: name, state: t.TempDir(), wire: newProxy(t, c.base.address())}
		n.env = append(c.env(n.name),
			"FERRYMAN_STORE_URL="+c.base.url(n.wire.address(), "book"), "WAREHOUSE_DATABASE_URL="+c.base.url(n.wire.address(), "target"))
		c.nodes = append(c.nodes, n)
		c.start(n)
	}
	c.register(c.nodes[0])
	return c
}

// register has the reporter get a key of its own.
func (c *cluster) register(n *node) {
	c.t.Helper()
	c.command(n, "app", "add", "load")
	c.reporter.Key = c.command(n, "key", "create", "--app", "load")
}

func (c *cluster) command(n *node, args ...string) string {
	c.t.Helper()
	out, err := program.Command(c.t, binary, n.state, n.env, args...).Output()
	if err != nil {
		c.t.Fatalf("ferryman %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// start begins a node and opens its door.
func (c *cluster) start(n *node) {
	c.t.Helper()
	n.Server = program.Serve(c.t, binary, n.state, n.env)
	c.doors.Open(n.name, n.URL)
}

// load has the witnesses work until the function that it returns is called. Then no
// answer is held any more.
func (c *cluster) load(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { c.reporter.Work(ctx, reporters) })
	all.Go(func() { c.sender.Work(ctx, senders) })
	changes := rand.New(rand.NewPCG(c.chance.Uint64(), 0))
	all.Go(func() { c.upstream.Change(ctx, changeEvery, changes) })
	stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		c.receiver.Hurry()
	})
	t.Cleanup(stop)
	return stop
}

// ready tells whether a node says of itself that it is well.
func (n *node) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

func (n *node) ended() bool {
	select {
	case <-n.Done:
		return true
	default:
		return false
	}
}

// awaitWell returns once all nodes are ready and what callers do is acknowledged
// and goes out.
func (c *cluster) awaitWell() {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.ended() {
			c.t.Fatalf("%s has ended by itself", n.name)
		}
		c.await(n.name+" is ready", func() bool { return n.ready(c.t.Context()) })
	}
	calls, taken, begun := c.reporter.Calls(), len(c.sender.Taken()), time.Now()
	c.await("calls are acknowledged", func() bool { return c.reporter.Calls() > calls })
	c.await("messages are taken", func() bool { return len(c.sender.Taken()) > taken })
	for _, n := range c.nodes {
		c.await(n.name+" sends", func() bool { return c.receiver.Last(n.name).After(begun) })
	}
	c.await("rows are read", func() bool { _, ok := c.upstream.FirstElsewhere("", begun); return ok })
}

// await waits longer than testwait does, for pauses of the nodes' own add up.
func (c *cluster) await(what string, cond func() bool) {
	c.t.Helper()
	if !met(c.patience, cond) {
		c.t.Fatalf("waited in vain: %s", what)
	}
}

// met tells whether something comes about in time.
func met(limit time.Duration, cond func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(limit)
	defer late.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-late.C:
			return cond()
		}
	}
	return true
}
