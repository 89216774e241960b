package db

import (
	"testing"
	"time"
)

// Only what is seen twice, with some time and nothing else in between, counts.
func TestDoubtsAreConsecutive(t *testing.T) {
	type look struct {
		moves int
		busy  bool
		after time.Duration
		lost  bool
	}
	begun := time.Now()
	for name, looks := range map[string][]look{
		"twice":                    {{1, false, 0, false}, {1, false, askEvery, true}},
		"at once":                  {{1, false, 0, false}, {1, false, askEvery / 2, false}, {1, false, askEvery, true}},
		"at work in between":       {{1, false, 0, false}, {1, true, askEvery, false}, {1, false, 2 * askEvery, false}, {1, false, 3 * askEvery, true}},
		"something came meanwhile": {{0, false, 0, false}, {1, false, askEvery, false}, {1, false, 2 * askEvery, true}},
	} {
		w := &wire{waiting: true, moves: 1}
		for i, l := range looks {
			if got := w.doubt(l.moves, l.busy, begun.Add(l.after)); got != l.lost {
				t.Errorf("%s: look %d gives %v", name, i, got)
			}
		}
	}
}

func TestWhoIsAskedAbout(t *testing.T) {
	now, there := time.Now(), backend{1, 2, 3}
	for name, c := range map[string]struct {
		w    *wire
		late bool
	}{
		"it has waited":               {&wire{far: there, waiting: true, unread: 10, since: now.Add(-1100 * time.Millisecond)}, true},
		"not for long":                {&wire{far: there, waiting: true, unread: 10, since: now.Add(-900 * time.Millisecond)}, false},
		"much is on its way":          {&wire{far: there, waiting: true, unread: 1 << 20, since: now.Add(-time.Minute)}, false},
		"much should have arrived":    {&wire{far: there, waiting: true, unread: 1 << 20, since: now.Add(-66 * time.Second)}, true},
		"nobody reads":                {&wire{far: there, unread: 10, since: now.Add(-time.Hour)}, false},
		"it listens":                  {&wire{far: there, waiting: true, since: now.Add(-time.Hour)}, false},
		"it is not connected yet":     {&wire{waiting: true, unread: 10, since: now.Add(-time.Hour)}, false},
		"it has been given up before": {&wire{far: there, waiting: true, unread: 10, since: now.Add(-time.Hour), lost: true}, false},
	} {
		if _, _, late := c.w.late(now); late != c.late {
			t.Errorf("%s: %v", name, late)
		}
	}
}
