package dashboard

import (
	"context"
	"html/template"
	"slices"
	"time"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
)

func (d *Dashboard) timelinePages() []page {
	return []page{
		{Root + "timeline", "timeline", viewers, d.timeline, []string{"range", "until", "app", "search", "order", "after"}},
	}
}

// timelinePage is what the timeline shows.
type timelinePage struct {
	Asked  timelineAsked
	Range  string // as the address has it
	Until  string // likewise; "" if it moves along
	Times  string // from when until when
	Ranges []chip
	Orders []chip
	Apps   []string // to choose among; nil: their name is typed

	Earlier string // addresses
	Later   string // "" if that is too far ahead
	Back    string // to now; "" if it is in sight
	More    string // the next page of crons
	First   string // the first page of crons; "" on it

	Signs  template.HTML
	Legend []timelineSample
	Axis   template.HTML
	Groups []timelineGroup
	Table  timelineTable
}

// timelineGroup is crons under one head.
type timelineGroup struct {
	App  string // "": of different applications
	Rows []timelineRow
}

type timelineSample struct {
	Word  string
	Image template.HTML
}

// timeline shows what crons did, side by side over time.
func (d *Dashboard) timeline(r *request) (view, error) {
	a, err := d.readTimeline(r)
	if err != nil {
		return view{}, err
	}
	p := timelinePage{
		Asked: a, Range: a.word, Times: r.stretch(a.since, a.until), Signs: chart.TimelineSigns(), Legend: timelineLegend(),
		Earlier: with(r.query, "timeline", "until", a.earlier()),
	}
	if until, ok := a.later(r.now); ok {
		p.Later = with(r.query, "timeline", "until", until)
	}
	if !a.moving {
		p.Until = a.until.Format(time.RFC3339)
		p.Back = with(r.query, "timeline", "until", "")
	}
	if a.filter.After != "" {
		p.First = with(r.query, "timeline", "after", "")
	}
	for _, one := range timelineRanges() {
		p.Ranges = append(p.Ranges, chip{Word: one.name, Link: with(r.query, "timeline", "range", one.word), On: one.word == a.word})
	}
	p.Orders = []chip{
		{Word: "By name", Link: with(r.query, "timeline", "order", "", "after", ""), On: !a.Trouble},
		{Word: "Trouble first", Link: with(r.query, "timeline", "order", "trouble", "after", ""), On: a.Trouble},
	}
	if p.Apps, err = d.appsOffered(r.Context(), r.viewer); err != nil {
		return view{}, err
	}
	crons, err := d.o.Ledger.Crons(r.Context(), a.filter)
	if err != nil {
		return view{}, err
	}
	if len(crons) > timelineCrons {
		crons = crons[:timelineCrons]
		p.More = with(r.query, "timeline", "after", a.filter.Next(crons[timelineCrons-1]))
	}
	if err := d.drawTimeline(r, &p, crons); err != nil {
		return view{}, err
	}
	v := view{template: "timeline", title: "Timeline", data: p}
	if a.moving && a.length <= 24*time.Hour { // of longer ones little is new in an hour
		v.live = []string{"ledger"}
	}
	return v, nil
}

// drawTimeline draws a row for each cron.
func (d *Dashboard) drawTimeline(r *request, p *timelinePage, crons []ledger.CronStatus) error {
	all, err := d.timelineWork(r.Context(), r, p.Asked, crons)
	if err != nil {
		return err
	}
	line := chart.Timeline{Since: p.Asked.since, Until: p.Asked.until, Now: r.now, Zone: r.zone}
	p.Axis = line.Axis("Times from " + p.Times)
	for i := range crons {
		row := r.timelineRow(line, p.Asked, &crons[i], all)
		if n := len(p.Groups); n == 0 || !p.Asked.Trouble && p.Groups[n-1].App != row.Cron.App {
			p.Groups = append(p.Groups, timelineGroup{})
			if !p.Asked.Trouble {
				p.Groups[n].App = row.Cron.App
			}
		}
		g := &p.Groups[len(p.Groups)-1]
		g.Rows = append(g.Rows, row)
	}
	p.Table = r.timelineTable(p.Groups, all)
	return nil
}

// timelineWork is what crons did in a stretch of time.
type timelineWork struct {
	runs    map[int64][]ledger.Execution // of those that ran seldom enough; of the others, what still runs
	blocks  map[int64][]ledger.Hour      // what has ended of the others
	windows []ledger.Window
}

const (
	// timelineRuns is how many runs a row shows one by one.
	timelineRuns    = 100
	timelineWindows = 200 // maintenance windows
)

// timelineWork asks the ledger. What has ended is counted first: the runs of crons
// that have many are not read.
func (d *Dashboard) timelineWork(ctx context.Context, r *request, a timelineAsked, crons []ledger.CronStatus) (w timelineWork, err error) {
	ids := make([]int64, len(crons))
	for i := range crons {
		ids[i] = crons[i].ID
	}
	if len(ids) == 0 {
		return w, nil
	}
	w.windows, err = d.o.Ledger.Windows(ctx, ledger.WindowFilter{
		App: a.filter.App, Crons: ids, Since: a.since, Until: a.until, Limit: timelineWindows,
	})
	// Those of applications without a row here are nobody's on this page.
	w.windows = slices.DeleteFunc(w.windows, func(one ledger.Window) bool {
		return !slices.ContainsFunc(crons, func(c ledger.CronStatus) bool { return holdsFor(&one, &c.Cron) })
	})
	if err != nil || a.since.After(r.now) {
		return w, err
	}
	w.blocks, err = d.o.Ledger.Blocks(ctx, ledger.BlockFilter{Crons: ids, Since: a.since, Until: a.until, Every: a.block})
	if err != nil {
		return w, err
	}
	var few []int64
	for _, id := range ids {
		if countHours(w.blocks[id]) <= timelineRuns {
			few = append(few, id)
			delete(w.blocks, id)
		}
	}
	w.runs, err = d.o.Ledger.Span(ctx, ledger.SpanFilter{
		App: r.viewer.AppID, Crons: few, Since: a.since, Until: a.until, PerCron: timelineRuns + 1,
	})
	if err != nil {
		return w, err
	}
	return w, d.addRunning(ctx, r.viewer.AppID, a, crons, &w)
}

// addRunning adds what still runs of crons whose runs stand together: only what has
// ended is counted.
func (d *Dashboard) addRunning(ctx context.Context, app int64, a timelineAsked, crons []ledger.CronStatus, w *timelineWork) error {
	for i := range crons {
		c := &crons[i]
		if len(w.blocks[c.ID]) == 0 || c.Running == 0 {
			continue
		}
		running, _, err := d.o.Ledger.Executions(ctx, ledger.ExecutionFilter{
			App: app, Cron: c.ID, Statuses: []ledger.Status{ledger.Running}, Until: a.until, Limit: timelineRuns + 1,
		})
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(running) {
			w.runs[c.ID] = append(w.runs[c.ID], e.Execution)
		}
	}
	return nil
}

func countHours(all []ledger.Hour) (n int64) {
	for _, h := range all {
		n += h.Runs() + h.Missed + h.Skipped
	}
	return n
}

// stretch says from when until when, in the viewer's zone.
func (r *request) stretch(since, until time.Time) string {
	since, until = since.In(r.zone), until.In(r.zone)
	form, rest := "Mon 2 Jan 15:04", "Mon 2 Jan 15:04"
	if since.Year() != r.now.In(r.zone).Year() {
		form = "Mon 2 Jan 2006 15:04"
	}
	if since.YearDay() == until.YearDay() && since.Year() == until.Year() {
		rest = "15:04"
	}
	return since.Format(form) + " to " + until.Format(rest)
}

// timelineLegend says what the shapes stand for.
func timelineLegend() (all []timelineSample) {
	for _, one := range []struct {
		result chart.Result
		state  string
	}{
		{chart.OK, "success"},
		{chart.Warned, "warned"},
		{chart.Failed, "failed"},
		{chart.TimedOut, "timed_out"},
		{chart.Running, "running"},
		{chart.Cancelled, "cancelled"},
		{chart.Missed, "missed"},
		{chart.Refused, "skipped"},
	} {
		all = append(all, timelineSample{markOf(one.state).Word, chart.Sample(one.result)})
	}
	return append(all, timelineSample{"expected", chart.SampleOfExpected()}, timelineSample{"maintenance", chart.SampleOfBand()})
}
