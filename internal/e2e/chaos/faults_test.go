//go:build linux

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fault is one way in which things go wrong.
type fault struct {
	name  string
	short bool          // it is part of the short form
	often bool          // it is what the long form does most
	takes bool          // others are to take over the work of the node
	stops bool          // the node stands still and then goes on where it was
	lasts time.Duration // at least
	// commit does it to a node, or to what all nodes need; heal undoes it.
	commit, heal func(c *cluster, n *node)
}

// faults are all there are.
func faults() []fault {
	wire := func(w way) func(*cluster, *node) { return func(_ *cluster, n *node) { n.wire.set(w) } }
	return []fault{
		{
			name: "kill -9 of a node", short: true, often: true, takes: true,
			commit: func(_ *cluster, n *node) { n.Kill() },
			heal:   func(c *cluster, n *node) { c.start(n) },
		},
		{
			name: "node cut off (connections reset)", takes: true, lasts: 5 * time.Second,
			commit: wire(cutting), heal: wire(passing),
		},
		{
			name: "node cut off in silence (half-open connections)", short: true, takes: true, lasts: 6 * time.Second,
			commit: wire(swallowing), heal: wire(passing),
		},
		{
			name: "node cut off in silence (packets come late)", takes: true, lasts: 6 * time.Second,
			commit: wire(freezing), heal: wire(passing),
		},
		{
			name: "slow network", lasts: 8 * time.Second,
			commit: wire(slowing), heal: wire(passing),
		},
		{
			name: "node stopped and continued (SIGSTOP)", short: true, takes: true, stops: true, lasts: 7 * time.Second,
			commit: func(c *cluster, n *node) { c.signal(n, syscall.SIGSTOP) },
			heal:   func(c *cluster, n *node) { c.signal(n, syscall.SIGCONT) },
		},
		{
			name: "node stopped by its service manager (SIGTERM)", takes: true,
			commit: func(c *cluster, n *node) {
				if code := n.Stop(); code != 0 {
					c.t.Errorf("%s ends with %d", n.name, code)
				}
			},
			heal: func(c *cluster, n *node) { c.start(n) },
		},
		{
			name: "kill -9 of PostgreSQL", short: true, lasts: time.Second,
			commit: func(c *cluster, _ *node) { c.base.kill(c.t) },
			heal:   func(c *cluster, _ *node) { c.base.start(c.t) },
		},
		{
			name: "kill -9 of one process of PostgreSQL", lasts: time.Second,
			commit: func(c *cluster, _ *node) {
				children := c.base.children()
				_ = syscall.Kill(children[c.chance.IntN(len(children))], syscall.SIGKILL) // it may have ended
			},
			heal: func(*cluster, *node) {}, // it mends itself
		},
		{
			name:   "PostgreSQL restarted",
			commit: func(c *cluster, _ *node) { c.base.stop(c.t) },
			heal:   func(c *cluster, _ *node) { c.base.start(c.t) },
		},
		{
			name: "PostgreSQL paused", lasts: 7 * time.Second,
			commit: func(c *cluster, _ *node) { c.base.signal(c.t, syscall.SIGSTOP) },
			heal:   func(c *cluster, _ *node) { c.base.signal(c.t, syscall.SIGCONT) },
		},
		{
			name: "node out of file descriptors", lasts: 5 * time.Second,
			commit: func(c *cluster, n *node) { c.limit(n, "nofile", c.files(n)+2) },
			heal:   func(c *cluster, n *node) { c.limit(n, "nofile", c.filesMost()) },
		},
		{
			name: "node out of memory", takes: true,
			commit: func(c *cluster, n *node) {
				// Its next need of memory is its end. It may find enough in what it has.
				c.limit(n, "as", 1<<20)
				if !met(10*time.Second, n.ended) {
					n.Kill()
				}
			},
			heal: func(c *cluster, n *node) { c.start(n) },
		},
	}
}

func (c *cluster) signal(n *node, s syscall.Signal) {
	c.t.Helper()
	if err := n.Cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// limit sets a limit of the system for a node that runs.
func (c *cluster) limit(n *node, resource string, most int) {
	c.t.Helper()
	pid := strconv.Itoa(n.Cmd.Process.Pid)
	out, err := exec.CommandContext(c.t.Context(), "prlimit", "--pid", pid, fmt.Sprintf("--%s=%d:", resource, most)).CombinedOutput()
	if err != nil {
		c.t.Fatalf("prlimit: %v\n%s", err, out)
	}
}

// files counts the descriptors that a node has open.
func (c *cluster) files(n *node) int {
	c.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.Cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(open)
}

// filesMost is how many descriptors a process may have that we start.
func (c *cluster) filesMost() int {
	c.t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		c.t.Fatal(err)
	}
	return int(limit.Max)
}

// plan is what a run does of some faults, in an order that chance chooses.
func (c *cluster) plan(all []fault) (plan []fault) {
	only := strings.FieldsFunc(*onlyFlag, func(r rune) bool { return r == ',' })
	for _, f := range all {
		times := 0
		switch {
		case len(only) > 0 && !slices.Contains(only, f.name):
		case *roundsFlag > 0 && f.often:
			times = *roundsFlag
		case *roundsFlag > 0:
			times = *othersFlag
		case f.short, len(only) > 0:
			times = 1
		}
		plan = append(plan, slices.Repeat([]fault{f}, times)...)
	}
	c.chance.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	return plan
}
