package dashboard

import (
	"encoding/json"
	"fmt"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
)

const (
	messagesOnPage = 200
	shownMessage   = 4 << 10 // bytes of one on the page; the rest is a link away
)

func (d *Dashboard) runActions() []action {
	return []action{{Root + "runs/{id}/release", "execution.release", viewers, d.releaseRun}}
}

func (d *Dashboard) runFiles() []file {
	return []file{
		{Root + "runs/{id}/tail", viewers, d.tail, unattended},
		{Root + "runs/{id}/messages.txt", viewers, d.downloadMessages, inPerson},
		{Root + "runs/{id}/messages/{message}", viewers, d.oneMessage, inPerson},
	}
}

// runPage is what the page of a run shows.
type runPage struct {
	Run    ledger.ListedExecution
	Cron   ledger.CronStatus
	Delay  time.Duration // between the expected start and the real one
	Took   time.Duration // so far, while it runs
	Usual  usual         // how long runs of the cron take
	Times  string        // how it compares with that; "" of one that never ran
	Around ledger.Neighbours
	Sync   *pipeline.Report // of a sync that has ended or got somewhere; else nil
	Rate   int64            // rows read in a second
	Log    logPart
}

// run is the page of one run.
func (d *Dashboard) run(r *request) (view, error) {
	e, err := d.runAsked(r)
	if err != nil {
		return view{}, err
	}
	p := runPage{Run: e, Took: ranFor(&e.Execution, r.now)}
	if p.Cron, err = d.o.Ledger.CronStatus(r.Context(), 0, ledger.Ref{ID: e.CronID}); err != nil {
		return view{}, err
	}
	if p.Around, err = d.o.Ledger.Neighbours(r.Context(), e.ID); err != nil {
		return view{}, err
	}
	if err := d.compare(r, &p); err != nil {
		return view{}, err
	}
	if !e.ScheduledFor.IsZero() {
		p.Delay = e.StartedAt.Sub(e.ScheduledFor)
	}
	if len(e.Result) > 0 {
		var report pipeline.Report
		if json.Unmarshal(e.Result, &report) == nil && len(report.Tables) > 0 {
			p.Sync = &report
			if seconds := p.Took.Seconds(); seconds > 0 {
				p.Rate = int64(float64(report.Total().Read) / seconds)
			}
		}
	}
	if p.Log, err = d.logOf(r, e); err != nil {
		return view{}, err
	}
	v := view{template: "run", title: fmt.Sprintf("Run %d of %s", e.ID, p.Cron.Name), data: p}
	if e.EndedAt.IsZero() || r.now.Sub(e.EndedAt) < 24*time.Hour { // it may be reported, or say more
		v.live = []string{"ledger"}
	}
	return v, nil
}

// runAsked gives the run that the path names, if the viewer may see it.
func (d *Dashboard) runAsked(r *request) (ledger.ListedExecution, error) {
	id, ok := ledger.ParseID(r.PathValue("id"))
	if !ok {
		return ledger.ListedExecution{}, ledger.ErrNoExecution
	}
	return d.o.Ledger.Listed(r.Context(), r.viewer.AppID, id)
}

// compare finds how long runs of the cron usually take.
func (d *Dashboard) compare(r *request, p *runPage) error {
	strips, err := d.o.Ledger.Strips(r.Context(), []int64{p.Run.CronID}, comparedRuns)
	if err != nil {
		return err
	}
	p.Usual = usualOf(strips[p.Run.CronID])
	if p.Run.Status != ledger.Missed && p.Run.Status != ledger.Skipped {
		p.Times = p.Usual.Against(p.Took)
	}
	return nil
}

// releaseRun frees the place of a run by hand.
func (d *Dashboard) releaseRun(r *request) (done, error) {
	e, err := d.runAsked(r)
	if err != nil {
		return done{}, err
	}
	if _, err := d.o.Ledger.Release(r.Context(), r.viewer.AppID, e.ID, "released in the dashboard by "+r.viewer.Name()); err != nil {
		return done{}, err
	}
	return done{
		say:    fmt.Sprintf("Run %d no longer holds its place. Its application may still report its end.", e.ID),
		target: audit.Execution(e.ID),
	}, nil
}

// ranFor is how long an execution took, as its application said or else by the
// clock, or has taken until now.
func ranFor(e *ledger.Execution, now time.Time) time.Duration {
	switch {
	case e.ReportedTook > 0:
		return e.ReportedTook
	case e.EndedAt.IsZero():
		return max(now.Sub(e.StartedAt), 0)
	}
	return e.EndedAt.Sub(e.StartedAt)
}
