//go:build linux

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ferryman/internal/e2e/chaos/witness"
)

const (
	// instant is the stretch within which a fault comes.
	instant = 1500 * time.Millisecond
	// lag is how long after a fault's end, or before its begin, an attempt may count as
	// being under way: claims, answers and notes take their time on a busy machine.
	lag = 2 * time.Second
	// promised is how long it may take until others do the work of a node that has died
	// or was cut off.
	promised = 5 * time.Second
	// tardy is when nobody is going to take over any more.
	tardy = 20 * time.Second
)

// TestChaos commits faults while the witnesses work, and looks after each for all that
// was acknowledged. How long, and which, the flags say.
func TestChaos(t *testing.T) {
	newCluster(t, chanceOf(t), newPostgres(t)).run(t, faults())
}

// chanceOf is what chooses faults and instants: the same for the same seed.
func chanceOf(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("seed %d", *seedFlag)
	return rand.New(rand.NewPCG(*seedFlag, 0))
}

// run commits faults under load, one after the other, and fails the test for whatever
// is not as promised.
func (c *cluster) run(t *testing.T, all []fault) {
	t.Helper()
	plan := c.plan(all)
	stop := c.load(t)
	c.awaitWell()
	if c.base != nil {
		c.watchRows()
	}
	r := &report{begun: time.Now()}
	defer func() { r.write(t) }() // also of a run that is given up
	for i, f := range plan {
		n := c.nodes[c.chance.IntN(len(c.nodes))]
		after := time.Duration(c.chance.Int64N(int64(instant)))
		o := c.round(f, n, after)
		r.rounds = append(r.rounds, o)
		t.Logf("%d of %d: %s, %s: %s", i+1, len(plan), f.name, n.name, o)
	}
	stop()
	r.end(c)
	r.check(t)
}

// outcome is what a round of a fault came to.
type outcome struct {
	fault         fault
	node          string // to which it was done; it may not matter to the fault
	begun, healed time.Time
	acknowledged  int
	lost          []string
	takeover      takeover
	uncertain     int
	stepsBack     int
	duplicates    int // of messages that were being sent during the fault
}

// round commits one fault, heals it, and looks for what is lost.
func (c *cluster) round(f fault, n *node, after time.Duration) outcome {
	c.t.Helper()
	acknowledged, uncertain, back := c.acknowledged(), total(c.uncertain()), c.stepsBack()
	<-time.After(after) // a fault comes when it comes
	o := outcome{fault: f, node: n.name, begun: time.Now()}
	f.commit(c, n)
	if f.takes {
		o.takeover = c.awaitTakeover(n, time.Now())
	}
	<-time.After(time.Until(o.begun.Add(f.lasts)))
	f.heal(c, n)
	o.healed = time.Now()
	c.awaitWell()
	o.lost = append(c.lost(), c.reporter.Problems()...)
	o.acknowledged = c.acknowledged() - acknowledged
	o.uncertain = total(c.uncertain()) - uncertain
	o.stepsBack = c.stepsBack() - back
	return o
}

// acknowledged counts calls and messages.
func (c *cluster) acknowledged() int { return c.reporter.Calls() + len(c.sender.Taken()) }

func total(each map[int64]int) (n int) {
	for _, some := range each {
		n += some
	}
	return n
}

// takeover is how long it took until others did the work of a node.
type takeover struct {
	schedule    time.Duration // until others read the upstream
	deliveries  time.Duration // until the last message that the node was sending came from others
	interrupted int           // how many those are
	never       []string      // what nobody took over
	busy        bool          // the machine had so much else to do that it says little
}

func (c *cluster) awaitTakeover(n *node, since time.Time) (o takeover) {
	c.t.Helper()
	stalled := stalls()
	if !met(tardy, func() bool {
		at, ok := c.upstream.FirstElsewhere(n.name, since)
		if ok {
			o.schedule = at.Sub(since)
		}
		return ok
	}) {
		o.never = append(o.never, "the schedule")
	}
	open := c.receiver.Held(n.name, since)
	if !met(tardy, func() bool {
		done := c.sent(open) // before the look at what came
		open = slices.DeleteFunc(open, func(recipient int64) bool {
			at, ok := c.receiver.Elsewhere(recipient, n.name, since)
			if ok {
				o.interrupted++
				o.deliveries = max(o.deliveries, at.Sub(since))
			}
			return ok || done[recipient] // its answer came in time
		})
		return len(open) == 0
	}) {
		o.never = append(o.never, fmt.Sprintf("messages to %v", open))
		o.never = append(o.never, c.blocked()...)
	}
	o.busy = stalls()-stalled > time.Since(since)*6/10
	return o
}

// late tells what others took over later than they may, or never.
func (o takeover) late() []string {
	late := slices.Clone(o.never)
	if !o.busy && max(o.schedule, o.deliveries) > promised {
		late = append(late, fmt.Sprintf("the schedule after %v, deliveries after %v", o.schedule, o.deliveries))
	}
	return late
}

// stalls is how long, since the machine began, something wanted to run and could not:
// where that is most of the time, how long a takeover took says more of the machine.
func stalls() time.Duration {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0 // the system does not tell
	}
	_, after, _ := strings.Cut(string(text), "total=")
	micros, _, _ := strings.Cut(after, "\n")
	n, _ := strconv.ParseInt(micros, 10, 64)
	return time.Duration(n) * time.Microsecond
}

// explain counts with each round the arrivals of messages that had come before, and
// lists those that no fault explains, and those that began after others had taken over.
func (c *cluster) explain(rounds []outcome) (unexplained []string) {
	c.t.Helper()
	uncertain, noted := c.uncertain(), c.noted()
	for recipient, list := range c.receiver.Arrivals() {
		if afterNoted(list, noted[recipient], rounds) {
			unexplained = append(unexplained, "after it was taken over: "+describe(recipient, list, uncertain[recipient]))
			continue
		}
		for _, earlier := range list[:len(list)-1] {
			i := slices.IndexFunc(rounds, func(o outcome) bool { return o.covers(earlier) })
			if i < 0 || uncertain[recipient] < len(list)-1 {
				unexplained = append(unexplained, describe(recipient, list, uncertain[recipient]))
				continue
			}
			rounds[i].duplicates++
		}
	}
	return unexplained
}

// afterNoted tells whether a message came again after the arrival that the store counts
// as the one that was sent. That is of the last attempt, and whoever made an earlier one
// had lost the message before the last one was claimed: it began to send, or claimed,
// what was no longer its own, or its late answer was taken for that of the last attempt.
//
// What comes late but before the last attempt does looks like what came in time: when a
// message was taken over nobody writes down. And a node that is stopped may stand
// between its last look and its request: no look can keep that one from arriving when
// it goes on.
func afterNoted(list []witness.Arrival, noted int64, rounds []outcome) bool {
	i := slices.IndexFunc(list, func(a witness.Arrival) bool { return a.ID == noted })
	return i >= 0 && slices.ContainsFunc(list[i+1:], func(a witness.Arrival) bool {
		return !slices.ContainsFunc(rounds, func(o outcome) bool { return o.fault.stops && o.node == a.Node && o.spans(a.At) })
	})
}

// spans tells whether something was done as the fault was.
func (o outcome) spans(at time.Time) bool {
	return at.After(o.begun) && at.Before(o.healed.Add(lag))
}

// covers tells whether an attempt was under way during the fault.
func (o outcome) covers(a witness.Arrival) bool {
	return a.At.Before(o.healed.Add(lag)) && (a.Done.IsZero() || a.Done.After(o.begun.Add(-lag)))
}
