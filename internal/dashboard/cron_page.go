package dashboard

import (
	"html/template"
	"slices"
	"strconv"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
	"ferryman/internal/schedule"
)

const (
	cronStrip  = 100 // runs in the strip and in the chart
	cronRuns   = 25  // in the list
	cronEvents = 15
	cronNoted  = 15
	cronFires  = 5
)

// cronPage is what the page of a cron shows.
type cronPage struct {
	Cron     ledger.CronStatus
	CanBe    cronCan
	Plan     string // its schedule in words
	Interval bool   // the schedule has no times of day, and so no zone that matters
	Usual    time.Duration
	Slow     time.Duration     // 19 of 20 ran no longer
	Worst    *ledger.Execution // the newest that failed, of those that are drawn
	Now      *ledger.Execution // the oldest that runs, likewise
	Week     ledger.Tally
	Judged   int64 // of its runs, those that the rate is of
	Rate     string
	Fires    []time.Time
	Strip    template.HTML
	Chart    template.HTML
	Drawn    []chart.Run // the newest first
	Runs     cronRunList
	Events   []ledger.ListedEvent
	Noted    []audit.Entry
	Snippets []snippet
}

// cron is the page of one cron.
func (d *Dashboard) cron(r *request) (view, error) {
	ref, err := cronAsked(r)
	if err != nil {
		return view{}, err
	}
	ctx, app := r.Context(), r.viewer.AppID
	var p cronPage
	if p.Cron, err = d.o.Ledger.CronStatus(ctx, app, ref); err != nil {
		return view{}, err
	}
	if p.Runs, err = d.cronRuns(r, p.Cron.ID); err != nil {
		return view{}, err
	}
	strips, err := d.o.Ledger.Strips(ctx, []int64{ref.ID}, cronStrip)
	if err != nil {
		return view{}, err
	}
	week, err := d.o.Ledger.Tallies(ctx, []int64{ref.ID}, r.now.Add(-cronsRate))
	if err != nil {
		return view{}, err
	}
	if p.Events, err = d.o.Ledger.Events(ctx, ledger.EventFilter{App: app, Cron: ref.ID, Limit: cronEvents}); err != nil {
		return view{}, err
	}
	if p.Noted, err = d.o.Audit.About(ctx, audit.Cron(p.Cron.ID, p.Cron.App, p.Cron.Slug), cronNoted); err != nil {
		return view{}, err
	}
	p.Week = week[ref.ID]
	p.Judged = judged(p.Week)
	p.Rate = percent(p.Week.Success, p.Judged)
	p.CanBe = d.cronCan(&p.Cron, r.now)
	p.Plan, p.Snippets = scheduleInWords(p.Cron.Schedule), snippetsFor(serverURL(r), &p.Cron.Cron)
	p.Interval, p.Fires = fires(&p.Cron.Cron)
	p.draw(r, strips[ref.ID])
	return view{template: "cron", title: visible(p.Cron.Name), data: p, live: []string{"ledger"}}, nil
}

// draw makes the charts of the newest executions, the oldest of them first.
func (p *cronPage) draw(r *request, all []ledger.Execution) {
	var ended []time.Duration
	for i := range all {
		switch e := &all[i]; e.Status {
		case ledger.Success:
			ended = append(ended, ranFor(e, r.now))
		case ledger.Failed:
			ended = append(ended, ranFor(e, r.now))
			p.Worst = e
		case ledger.TimedOut:
			p.Worst = e
		case ledger.Running:
			if p.Now == nil {
				p.Now = e
			}
		case ledger.Cancelled, ledger.Superseded, ledger.Missed, ledger.Skipped:
		}
	}
	p.Usual, p.Slow = chart.Quantile(ended, 0.5), chart.Quantile(ended, 0.95)
	p.Drawn = r.runsOf(all)
	if len(all) == 0 {
		return
	}
	p.Strip = r.strip("The last "+strconv.Itoa(len(all))+" runs", all, len(all))
	if len(ended) > 0 {
		lines := []chart.Line{
			{Class: "median", Label: "median " + took(p.Usual), Took: p.Usual},
			{Class: "p95", Label: "95 of 100 took at most " + took(p.Slow), Took: p.Slow},
		}
		if limit := p.Cron.MaxRuntime; limit > 0 {
			lines = append(lines, chart.Line{Class: "limit", Label: "limit " + took(limit), Took: limit})
		}
		p.Chart = chart.Durations{Label: "How long the last runs took", Runs: p.Drawn, Lines: lines, Zone: r.zone, Took: took}.Draw()
	}
	slices.Reverse(p.Drawn)
}

// fires gives when the next starts are expected.
func fires(c *ledger.Cron) (interval bool, next []time.Time) {
	plan, err := schedule.Parse(c.Schedule, c.Zone)
	if err != nil {
		return false, nil
	}
	_, interval = plan.Interval()
	for t := c.ExpectedAt; !t.IsZero() && len(next) < cronFires; t = plan.Next(t) {
		next = append(next, t)
	}
	return interval, next
}

// Late tells whether a start is overdue at a time.
func (p cronPage) Late(now time.Time) bool {
	return !p.Cron.ExpectedAt.IsZero() && p.Cron.ExpectedAt.Before(now)
}

// Said is what the newest run that went wrong left to say.
func (p cronPage) Said() string {
	if p.Worst == nil {
		return ""
	}
	return saidOf(p.Worst)
}

// saidOf is what an execution left to say, in a line.
func saidOf(e *ledger.Execution) string {
	switch {
	case e.Detail != "":
		return e.Detail
	case e.ExitCode != nil && *e.ExitCode != 0:
		return "exit code " + strconv.FormatInt(*e.ExitCode, 10)
	}
	return e.Reason
}

// Against says how a duration compares with the usual one: "2.3× usual".
func (p cronPage) Against(d time.Duration) string {
	if p.Usual <= 0 {
		return ""
	}
	times := float64(d) / float64(p.Usual)
	switch {
	case times >= 10:
		return strconv.FormatFloat(times, 'f', 0, 64) + "× usual"
	case times >= 1.15 || times <= 0.85:
		return strconv.FormatFloat(times, 'f', 1, 64) + "× usual"
	}
	return "as usual"
}

// Ran is how long an execution took, or has taken.
func (p cronPage) Ran(e ledger.Execution, now time.Time) time.Duration { return ranFor(&e, now) }

// Spare is how much of the time that a run may take nearly all of them leave.
func (p cronPage) Spare() time.Duration { return p.Cron.MaxRuntime - p.Slow }
