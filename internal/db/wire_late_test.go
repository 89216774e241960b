package db

import (
	"testing"
	"time"
)

func TestWhoIsAskedAbout(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		w    *wire
		late bool
	}{
		"it has waited":               {&wire{pid: 1, waiting: true, unread: 10, since: now.Add(-1100 * time.Millisecond)}, true},
		"not for long":                {&wire{pid: 1, waiting: true, unread: 10, since: now.Add(-900 * time.Millisecond)}, false},
		"much is on its way":          {&wire{pid: 1, waiting: true, unread: 1 << 20, since: now.Add(-time.Minute)}, false},
		"much should have arrived":    {&wire{pid: 1, waiting: true, unread: 1 << 20, since: now.Add(-66 * time.Second)}, true},
		"nobody reads":                {&wire{pid: 1, unread: 10, since: now.Add(-time.Hour)}, false},
		"it listens":                  {&wire{pid: 1, waiting: true, since: now.Add(-time.Hour)}, false},
		"it is not connected yet":     {&wire{waiting: true, unread: 10, since: now.Add(-time.Hour)}, false},
		"it has been given up before": {&wire{pid: 1, waiting: true, unread: 10, since: now.Add(-time.Hour), lost: true}, false},
	} {
		if _, _, late := c.w.late(now); late != c.late {
			t.Errorf("%s: %v", name, late)
		}
	}
}
