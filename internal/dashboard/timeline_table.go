package dashboard

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"ferryman/internal/ledger"
)

// timelineListed is how many rows the table has.
const timelineListed = 200

// timelineTable is what the timeline shows, as a list.
type timelineTable struct {
	Entries []timelineEntry // the newest first
	Left    int             // more that the drawing shows
}

// timelineEntry is a run, many runs of a cron, its next start, or maintenance.
type timelineEntry struct {
	At    time.Time
	State string // as marks has it; "" for many runs and what is expected
	What  string // beside the state
	Cron  *ledger.Cron
	Href  string // of a run
	Until time.Time
}

func (r *request) timelineTable(groups []timelineGroup, all timelineWork) (t timelineTable) {
	for _, g := range groups {
		for _, row := range g.Rows {
			c := &row.Cron.Cron
			if row.Dense {
				blocks := all.blocks[c.ID]
				t.Entries = append(t.Entries, timelineEntry{At: blocks[0].At, What: row.Counts.String() + " in all", Cron: c})
			}
			if c.ExpectedAt.After(r.now) {
				t.Entries = append(t.Entries, timelineEntry{At: c.ExpectedAt, What: "expected next", Cron: c})
			}
			for i := range all.runs[c.ID] {
				t.Entries = append(t.Entries, entryOf(&all.runs[c.ID][i], c))
			}
		}
	}
	for i := range all.windows {
		w := &all.windows[i]
		t.Entries = append(t.Entries, timelineEntry{At: w.StartsAt, Until: w.EndsAt, State: string(ledger.StateMaintenance), What: windowScope(w) + ": " + visible(w.Reason)})
	}
	slices.SortStableFunc(t.Entries, func(a, b timelineEntry) int { return cmp.Compare(b.At.UnixMicro(), a.At.UnixMicro()) })
	if t.Left = max(len(t.Entries)-timelineListed, 0); t.Left > 0 {
		t.Entries = t.Entries[:timelineListed]
	}
	return t
}

func entryOf(e *ledger.Execution, c *ledger.Cron) timelineEntry {
	entry := timelineEntry{At: timelineAt(e), Until: e.EndedAt, State: timelineState(e), Cron: c, Href: fmt.Sprintf("%sruns/%d", Root, e.ID)}
	if e.Status == ledger.Missed {
		entry.Until = time.Time{} // when it was noticed is no end
	}
	return entry
}
