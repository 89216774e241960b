//go:build linux

package chaos

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/e2e/chaos/witness"
)

// report is what a run of the suite came to.
type report struct {
	begun       time.Time
	rounds      []outcome
	lost        []string // in the end
	unexplained []string // messages that came twice for no reason
	uncertain   int
	arrived     int
	taken       int
	calls       int
}

// end looks at everything once more after the load has ended and all is sent.
func (r *report) end(c *cluster) {
	c.t.Helper()
	c.await("all deliveries are settled", func() bool { return c.open() == 0 })
	r.lost = c.lost()
	r.unexplained = c.explain(r.rounds)
	r.uncertain = total(c.uncertain())
	r.arrived, r.taken, r.calls = len(c.receiver.Arrivals()), len(c.sender.Taken()), c.reporter.Calls()
}

// check fails the test for whatever is not as promised.
func (r *report) check(t *testing.T) {
	t.Helper()
	fail := func(what string, list []string) {
		if len(list) > 0 {
			t.Errorf("%s: %d\n%s", what, len(list), strings.Join(list[:min(len(list), shown)], "\n"))
		}
	}
	fail("lost in the end", r.lost)
	fail("came twice without a reason", r.unexplained)
	for _, o := range r.rounds {
		fail(o.fault.name+": lost", o.lost)
		fail(o.fault.name+": taken over too late", o.takeover.late())
		if o.stepsBack > 0 {
			t.Errorf("%s: %d rows became older than they were", o.fault.name, o.stepsBack)
		}
	}
}

// write puts the report at the end of the file that the flags name, as Markdown.
func (r *report) write(t *testing.T) {
	t.Helper()
	if *reportFlag == "" {
		return
	}
	file, err := os.OpenFile(*reportFlag, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(r.markdown()); err != nil { // at once: others write there, too
		t.Error(err)
	}
}

// sum is what the rounds of one fault came to.
type sum struct {
	rounds, acknowledged, lost, uncertain, twice, back int
	schedule, deliveries                               []time.Duration
}

func (r *report) markdown() string {
	sums, twice, busy := map[string]*sum{}, len(r.unexplained), 0
	for _, o := range r.rounds {
		s := sums[o.fault.name]
		if s == nil {
			s = &sum{}
			sums[o.fault.name] = s
		}
		s.add(o)
		twice += o.duplicates
		if o.takeover.busy {
			busy++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Seed %d, %d rounds in %v. %d calls of reporters and %d messages were acknowledged; %d messages arrived, and %d times one that had arrived before; %d attempts were uncertain. In %d rounds the machine was too busy to say much about takeovers.\n\n",
		*seedFlag, len(r.rounds), time.Since(r.begun).Round(time.Second), r.calls, r.taken, r.arrived, twice, r.uncertain, busy)
	b.WriteString("| fault | rounds | acknowledged | lost | came again | uncertain | rows that went back | schedule taken over | deliveries taken over |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %s | %s |\n",
			name, s.rounds, s.acknowledged, s.lost, s.twice, s.uncertain, s.back, spread(s.schedule), spread(s.deliveries))
	}
	fmt.Fprintf(&b, "\nLost in the end: %d. Came again without a reason: %d.\n\n", len(r.lost), len(r.unexplained))
	return b.String()
}

func (s *sum) add(o outcome) {
	s.rounds++
	s.acknowledged += o.acknowledged
	s.lost += len(o.lost)
	s.uncertain += o.uncertain
	s.twice += o.duplicates
	s.back += o.stepsBack
	if o.takeover.schedule > 0 {
		s.schedule = append(s.schedule, o.takeover.schedule)
	}
	if o.takeover.interrupted > 0 {
		s.deliveries = append(s.deliveries, o.takeover.deliveries)
	}
}

// spread gives the median of some durations, what 95 in a hundred stay below, and the
// longest, in seconds.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	at := func(percent int) float64 { return all[(len(all)-1)*percent/100].Seconds() }
	return fmt.Sprintf("%.1f, %.1f, %.1f", at(50), at(95), at(100))
}

func (o outcome) String() string {
	text := fmt.Sprintf("%d acknowledged, %d lost, %v to heal", o.acknowledged, len(o.lost), o.healed.Sub(o.begun).Round(time.Millisecond))
	if len(o.takeover.never) > 0 {
		text += "; not taken over: " + strings.Join(o.takeover.never, "; ")
	}
	if o.takeover.schedule > 0 {
		text += fmt.Sprintf("; taken over: schedule after %v, %d deliveries after %v",
			o.takeover.schedule.Round(time.Millisecond), o.takeover.interrupted, o.takeover.deliveries.Round(time.Millisecond))
	}
	if o.takeover.busy {
		text += " on a busy machine"
	}
	if o.stepsBack > 0 {
		text += fmt.Sprintf("; %d rows went back", o.stepsBack)
	}
	return text
}

// describe tells how a message came.
func describe(recipient int64, list []witness.Arrival, uncertain int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "to %d, %d uncertain:", recipient, uncertain)
	for _, a := range list {
		fmt.Fprintf(&b, " [%d by %s at %s, answered at %s]", a.ID, a.Node, a.At.Format(time.StampMilli), a.Done.Format(time.StampMilli))
	}
	return b.String()
}
