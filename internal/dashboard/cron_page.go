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
	cronStrip  = comparedRuns // in the strip and in the chart
	cronRuns   = 25           // in the list
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
	Usual    usual
	Worst    *ledger.Execution // the newest that failed, of those that are drawn
	Now      *ledger.Execution // the oldest that runs, likewise
	Week     ledger.Tally
	Judged   int64 // of its runs, those that the rate is of
	Rate     string
	Fires    []time.Time
	Strip    template.HTML
	Chart    template.HTML
	Drawn    []cronRun // the newest first
	Runs     cronRunList
	Events   []ledger.ListedEvent
	Noted    []audit.Entry
	Snippets []snippet
	Form     typed // of a pause until some time
}

// cron is the page of one cron.
func (d *Dashboard) cron(r *request) (view, error) { return d.cronView(r, typed{}) }

// cronView is the page with the form of a pause as it was filled in.
func (d *Dashboard) cronView(r *request, form typed) (view, error) {
	ref, err := cronAsked(r)
	if err != nil {
		return view{}, err
	}
	ctx, app := r.Context(), r.viewer.AppID
	p := cronPage{Form: form}
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
	timed := false
	for i := range all {
		switch e := &all[i]; e.Status {
		case ledger.Success:
			timed = true
		case ledger.Failed:
			timed, p.Worst = true, e
		case ledger.TimedOut:
			p.Worst = e
		case ledger.Running:
			if p.Now == nil {
				p.Now = e
			}
		case ledger.Cancelled, ledger.Superseded, ledger.Missed, ledger.Skipped:
		}
	}
	p.Usual = usualOf(all)
	for i := range slices.Backward(all) {
		p.Drawn = append(p.Drawn, cronRunOf(ledger.ListedExecution{Execution: all[i]}))
	}
	if len(all) == 0 {
		return
	}
	p.Strip = r.strip("The last "+strconv.Itoa(len(all))+" runs", all, len(all))
	if timed {
		p.Chart = chart.Durations{Label: "How long the last runs took", Runs: r.runsOf(all), Lines: p.lines(), Zone: r.zone, Took: took}.Draw()
	}
}

// lines are what the chart of durations compares them with.
func (p *cronPage) lines() []chart.Line {
	var lines []chart.Line
	if p.Usual.Median > 0 {
		lines = append(lines,
			chart.Line{Class: "median", Label: "usual " + took(p.Usual.Median), Took: p.Usual.Median},
			chart.Line{Class: "p95", Label: "95 of 100 took at most " + took(p.Usual.Slow), Took: p.Usual.Slow},
		)
	}
	if limit := p.Cron.MaxRuntime; limit > 0 {
		lines = append(lines, chart.Line{Class: "limit", Label: "limit " + took(limit), Took: limit})
	}
	return lines
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

// Against says how long an execution took, or has taken, compared with the usual.
func (p cronPage) Against(e ledger.Execution, now time.Time) string {
	return p.Usual.Against(ranFor(&e, now))
}

// Spare is how much of the time that a run may take nearly all of them leave.
func (p cronPage) Spare() time.Duration { return p.Cron.MaxRuntime - p.Usual.Slow }
