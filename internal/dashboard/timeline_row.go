package dashboard

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// timelineRow is one cron.
type timelineRow struct {
	Cron   *ledger.CronStatus
	Counts timelineCounts
	Dense  bool // its runs stand together
	Cut    bool // it had more than are shown
	Track  template.HTML
}

// timelineCounts are runs by their state, as marks has it.
type timelineCounts map[string]int64

// String says them in words: 3 ok, 1 failed.
func (c timelineCounts) String() string {
	var parts []string
	for _, state := range [...]string{"success", "warned", "failed", "timed_out", "running", "cancelled", "missed", "skipped"} {
		if c[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c[state], markOf(state).Word))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (c timelineCounts) add(t ledger.Tally) {
	for state, n := range map[string]int64{
		"success": t.Success, "failed": t.Failed, "timed_out": t.TimedOut, "cancelled": t.Cancelled, "missed": t.Missed, "skipped": t.Skipped,
	} {
		c[state] += n
	}
}

// timelineRow draws what a cron did.
func (r *request) timelineRow(line chart.Timeline, a timelineAsked, c *ledger.CronStatus, all timelineWork) timelineRow {
	blocks := all.blocks[c.ID]
	row := timelineRow{Cron: c, Counts: timelineCounts{}, Dense: len(blocks) > 0}
	track := chart.Track{Bands: r.timelineBands(&c.Cron, all.windows)}
	runs := all.runs[c.ID]
	if row.Cut = len(runs) > timelineRuns; row.Cut {
		runs = runs[len(runs)-timelineRuns:]
		all.runs[c.ID] = runs // the table has what the drawing has
	}
	// What was told afterwards has a later number than its time has.
	slices.SortStableFunc(runs, func(a, b ledger.Execution) int { return a.StartedAt.Compare(b.StartedAt) })
	var came []time.Time
	for i := range runs {
		e := &runs[i]
		row.Counts[timelineState(e)]++
		track.Runs = append(track.Runs, r.timelineBar(e))
		if !row.Dense && e.Status != ledger.Missed && !e.ScheduledFor.IsZero() {
			came = append(came, e.ScheduledFor)
		}
	}
	for _, h := range blocks {
		row.Counts.add(h.Tally)
		track.Blocks = append(track.Blocks, r.timelineBlock(a, &c.Cron, h))
	}
	addExpected(&track, &c.Cron, came, a.since, a.until)
	track.Label = visible(c.Name) + ": " + row.Counts.String()
	row.Track = track.Draw(line)
	return row
}

// timelineState is how an execution stands, as marks has it.
func timelineState(e *ledger.Execution) string {
	switch {
	case e.Status == ledger.Success && e.EndType == ledger.Warning:
		return "warned"
	case e.Status == ledger.Superseded:
		return string(ledger.Cancelled)
	}
	return string(e.Status)
}

// timelineAt is where an execution stands: one that was missed, where its start was
// expected, and not where that was noticed.
func timelineAt(e *ledger.Execution) time.Time {
	if e.Status == ledger.Missed && !e.ScheduledFor.IsZero() {
		return e.ScheduledFor
	}
	return e.StartedAt
}

// timelineBar is an execution by the clock: how long it took its application may
// count otherwise.
func (r *request) timelineBar(e *ledger.Execution) chart.Run {
	bar := r.runOf(e)
	bar.At = timelineAt(e)
	switch {
	case e.Status == ledger.Missed:
		bar.Took = 0
	case e.EndedAt.IsZero():
		bar.Took = max(r.now.Sub(e.StartedAt), 0)
	default:
		bar.Took = e.EndedAt.Sub(e.StartedAt)
	}
	return bar
}

// timelineBlock is what ended in some hours. It leads to a closer look at them.
func (r *request) timelineBlock(a timelineAsked, c *ledger.Cron, h ledger.Hour) chart.Block {
	counts := timelineCounts{}
	counts.add(h.Tally)
	end := h.At.Add(a.block)
	b := chart.Block{
		Since: h.At, Until: end, Result: worstOf(h.Tally), Count: h.Runs() + h.Missed + h.Skipped,
		Label: r.clock(h.At) + " to " + r.clock(end) + ": " + counts.String(), Href: fmt.Sprintf("%scrons/%d", Root, c.ID),
	}
	if h.At.Before(r.now) && end.After(r.now) {
		b.Until = r.now
	}
	for _, closer := range timelineRanges() {
		if closer.length == a.block && closer.length < a.length {
			b.Href = with(params.Query{}, "timeline", "range", closer.word, "until", end.Format(time.RFC3339), "app", c.App, "search", c.Slug)
		}
	}
	return b
}

// worstOf is what a stretch of many runs looks like.
func worstOf(t ledger.Tally) chart.Result {
	switch {
	case t.Failed > 0:
		return chart.Failed
	case t.TimedOut > 0:
		return chart.TimedOut
	case t.Missed > 0:
		return chart.Missed
	case t.Success > 0:
		return chart.OK
	case t.Cancelled > 0:
		return chart.Cancelled
	}
	return chart.Refused
}

// holdsFor tells whether a maintenance window is one for a cron.
func holdsFor(w *ledger.Window, c *ledger.Cron) bool {
	return (w.AppID == 0 || w.AppID == c.AppID) && (w.CronID == 0 || w.CronID == c.ID)
}

// timelineBands are the maintenance windows that hold for a cron.
func (r *request) timelineBands(c *ledger.Cron, windows []ledger.Window) (bands []chart.Band) {
	for _, w := range windows {
		if holdsFor(&w, c) {
			bands = append(bands, chart.Band{
				Since: w.StartsAt, Until: w.EndsAt, Label: "maintenance from " + r.clock(w.StartsAt) + " to " + r.clock(w.EndsAt) + ": " + visible(w.Reason),
			})
		}
	}
	return bands
}
