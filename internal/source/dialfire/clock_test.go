package dialfire

import (
	"strings"
	"testing"
	"time"
)

const decade = 10 * 365 * 24 * time.Hour

// A clock that was far ahead for a while does not hide what happens after it was set
// right.
func TestClockThatWasAhead(t *testing.T) {
	for name, cut := range map[string]bool{"between reads": false, "in the midst of a first listing": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.populate(20, 5)
			d := newTarget()
			s := w.source(t, Config{Holdings: d})
			if !cut {
				d.mustSync(t, s)
			}
			w.pass(decade)
			if cut {
				cutOff(t, d, s, 2)
			} else {
				d.mustSync(t, s)
			}
			w.pass(time.Minute - decade)
			id := w.add(2)
			w.call(0)
			d.mustSync(t, s)
			d.same(t, w)

			w.requests("")
			w.pass(time.Minute)
			w.act(id, 0)
			d.mustSync(t, s)
			d.same(t, w)
			if again := w.requests("contacts/list"); len(again) > 0 {
				t.Errorf("asked again for %v", again)
			}
		})
	}
}

func TestClockThatWasAheadOfAWebhook(t *testing.T) {
	w := newWorld(t)
	w.populate(3, 0)
	w.pass(time.Second)
	d := newTarget()
	s := w.source(t, Config{Mode: Webhook})
	d.mustSync(t, s)
	w.pass(decade)
	d.mustSync(t, s)
	w.pass(time.Minute - decade)
	id := w.add(1)
	d.mustSync(t, s)
	if lines := d.lines(); len(lines) != 1 || !strings.Contains(lines[0], id) {
		t.Errorf("brought %v", lines)
	}
}

// One that was first set up while the clock was ahead starts when that is noticed.
func TestClockThatWasAheadAtTheStart(t *testing.T) {
	w := newWorld(t)
	d := newTarget()
	s := w.source(t, Config{Mode: Webhook})
	w.pass(decade)
	d.mustSync(t, s)
	w.pass(-decade)
	d.mustSync(t, s)
	w.pass(time.Minute)
	id := w.add(1)
	d.mustSync(t, s)
	if lines := d.lines(); len(lines) != 1 || !strings.Contains(lines[0], id) {
		t.Errorf("brought %v", lines)
	}
}

// A start that has yet to come is no mistake of the clock.
func TestStartInTheFuture(t *testing.T) {
	w := newWorld(t)
	d := newTarget()
	s := w.source(t, Config{Mode: Webhook, Start: w.clock().Add(48 * time.Hour)})
	d.mustSync(t, s)
	w.add(1)
	w.pass(24 * time.Hour)
	d.mustSync(t, s)
	if lines := d.lines(); len(lines) != 0 {
		t.Errorf("brought %v from before the start", lines)
	}
	w.pass(48 * time.Hour)
	id := w.add(1)
	d.mustSync(t, s)
	if lines := d.lines(); len(lines) != 1 || !strings.Contains(lines[0], id) {
		t.Errorf("brought %v", lines)
	}
}

// Clocks that differ a little cost nothing.
func TestClockThatIsALittleBehind(t *testing.T) {
	w := newWorld(t)
	w.populate(20, 0)
	d := newTarget()
	d.mustSync(t, w.source(t, Config{Holdings: d}))
	w.requests("")
	w.pass(-mostAhead / 2)
	d.mustSync(t, w.source(t, Config{Holdings: d}))
	if listed := w.requests("contacts/list"); len(listed) > 0 {
		t.Errorf("asked for %v", listed)
	}
}
