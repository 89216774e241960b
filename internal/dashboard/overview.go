package dashboard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
)

const (
	overviewRows = 12             // of each list
	overviewSpan = 24 * time.Hour // that its figures are of
)

func (d *Dashboard) overviewPages() []page {
	return []page{{Root + "{$}", "overview", viewers, d.overview, nil}}
}

// overviewPage is what the first page shows.
type overviewPage struct {
	Health    health
	Day       ledger.Tally // of the last day
	Judged    int64        // of its runs, those that the rate is of
	Chart     hoursChart
	Messages  *messageFigures // for operators
	Landed    int64           // rows that syncs wrote in the last day; for operators
	Lag       *lagFigure      // of the sync that is furthest behind; nil without one
	Troubles  []ailment       // of Ferryman itself; for operators
	Attention []attention
	Running   []underWay
	More      bool // more run than are listed
	Next      []ledger.Cron
	Events    []ledger.ListedEvent
	Start     *firstSteps // while no application has reported anything
}

// health is how everything stands: what is in trouble, if anything is, and the rest.
type health struct {
	Bad      bool
	Failing  int64  // crons in trouble, and what else is
	Sentence string // of the trouble alone, if there is any
	Rest     string // what else there is
}

// messageFigures are what went out and what has not.
type messageFigures struct {
	Sent          int64 // in the last day
	Waiting, Dead upTo
}

// lagFigure is how long ago a sync last ended well.
type lagFigure struct {
	Cron ledger.CronStatus
	Lag  time.Duration
}

// attention is a cron in trouble.
type attention struct {
	ledger.CronStatus
	Since time.Time
	Link  string // the run that tells of it, or else the cron
	Said  string // what that run said
}

// underWay is a run that goes on.
type underWay struct {
	ledger.ListedExecution
	Took  time.Duration
	Usual time.Duration // 0 if nobody knows
	Part  int           // of the limit, or else of the usual time, in percent; 100 at most
	Late  bool          // past the usual time by half
}

// firstSteps is how far a new user has come.
type firstSteps struct {
	App   string // an application other than Ferryman's own; "" before the first
	Keyed bool   // it has a key
	URL   string // of this server
}

// overview is the first page.
func (d *Dashboard) overview(r *request) (view, error) {
	var p overviewPage
	counts, err := d.o.Ledger.StateCounts(r.Context(), r.viewer.AppID)
	if err != nil {
		return view{}, err
	}
	if err := d.overviewTroubles(r, &p); err != nil {
		return view{}, err
	}
	p.Health = healthOf(counts, p.Troubles)
	for _, part := range []func(*request, *overviewPage) error{
		d.overviewDay, d.overviewMessages, d.overviewLag, d.overviewAttention, d.overviewRunning, d.overviewNext, d.overviewEvents, d.overviewStart,
	} {
		if err := part(r, &p); err != nil {
			return view{}, err
		}
	}
	live := []string{"ledger", "outbox"}
	if r.viewer.Operator() {
		live = append(live, "nodes")
	}
	return view{template: "overview", title: "Overview", data: p, live: live}, nil
}

// healthOf says what is in trouble, and how the rest stands: in a sentence if there is
// no trouble.
func healthOf(counts map[ledger.State]int64, troubles []ailment) health {
	var h health
	var bad, rest []string
	silent := 0
	for _, t := range troubles {
		if t.Mild {
			continue
		}
		h.Failing++
		if t.State == "silent" {
			if silent++; silent > 1 { // their names are long
				bad[len(bad)-1] = fmt.Sprintf("%d nodes silent", silent)
				continue
			}
		}
		bad = append(bad, t.What)
	}
	for _, s := range []struct {
		state ledger.State
		word  string
		bad   bool
	}{
		{ledger.StateFailing, "failing", true}, {ledger.StateMissed, "missed", true}, {ledger.StateOverdue, "overdue", true}, {ledger.StateLate, "late", false},
		{ledger.StateOK, "ok", false}, {ledger.StateRunning, "running", false}, {ledger.StateNew, "new", false}, {ledger.StateMaintenance, "in maintenance", false},
		{ledger.StatePaused, "paused", false}, {ledger.StateInactive, "inactive", false},
	} {
		n := counts[s.state]
		switch said := fmt.Sprintf("%s %s", wholeNumber(n), s.word); {
		case n == 0:
		case s.bad:
			h.Failing += n
			bad = append(bad, fmt.Sprintf("%s cron%s", said, plural(n)))
		default:
			rest = append(rest, said)
		}
	}
	h.Bad = len(bad) > 0
	h.Sentence, h.Rest = sentenceOf(bad, troublesTold), sentenceOf(rest, len(rest))
	if !h.Bad {
		h.Sentence, h.Rest = h.Rest, ""
		if h.Sentence == "" {
			h.Sentence = "There are no crons yet."
		}
	}
	return h
}

// sentenceOf makes one of so many parts at most; "" of none.
func sentenceOf(parts []string, most int) string {
	if len(parts) == 0 {
		return ""
	}
	said := strings.Join(parts[:min(len(parts), most)], ", ")
	if more := len(parts) - most; more > 0 {
		said += fmt.Sprintf(", and %d more", more)
	}
	return said + "."
}

func (d *Dashboard) overviewDay(r *request, p *overviewPage) error {
	hours, err := d.o.Ledger.Hours(r.Context(), ledger.HourFilter{App: r.viewer.AppID, Since: dayBegin(r.now)})
	if err != nil {
		return err
	}
	for _, h := range hours {
		p.Day.Success += h.Success
		p.Day.Failed += h.Failed
		p.Day.TimedOut += h.TimedOut
		p.Day.Cancelled += h.Cancelled
		p.Day.Missed += h.Missed
		p.Day.Skipped += h.Skipped
	}
	p.Judged = judged(p.Day)
	p.Chart = runsByHour(hours, r)
	return nil
}

func (d *Dashboard) overviewMessages(r *request, p *overviewPage) error {
	if !r.viewer.Operator() {
		return nil
	}
	counts, err := d.o.Outbox.Counts(r.Context())
	if err != nil {
		return err
	}
	hours, err := d.o.Outbox.Hours(r.Context(), "", dayBegin(r.now))
	if err != nil {
		return err
	}
	m := messageFigures{Waiting: counted(counts.Waiting), Dead: counted(counts.Failed)}
	for _, h := range hours {
		m.Sent += h.Sent
	}
	p.Messages = &m
	p.Landed, err = d.o.Ledger.Landed(r.Context(), dayBegin(r.now))
	return err
}

func (d *Dashboard) overviewLag(r *request, p *overviewPage) error {
	if !r.viewer.Operator() {
		return nil
	}
	own, err := d.o.Keys.Application(r.Context(), apikey.BuiltIn)
	if err != nil {
		return err
	}
	syncs, err := d.o.Ledger.Crons(r.Context(), ledger.CronFilter{App: own.ID, Kind: ledger.Sync, Limit: 100})
	if err != nil {
		return err
	}
	for _, c := range syncs {
		if !c.Active || c.Schedule == "" || c.LastSuccess.IsZero() {
			continue
		}
		if lag := r.now.Sub(c.LastSuccess); p.Lag == nil || lag > p.Lag.Lag {
			p.Lag = &lagFigure{Cron: c, Lag: lag}
		}
	}
	return nil
}

func (d *Dashboard) overviewAttention(r *request, p *overviewPage) error {
	crons, err := d.o.Ledger.Crons(r.Context(), ledger.CronFilter{
		App: r.viewer.AppID, TroubleFirst: true, Limit: overviewRows,
		States: []ledger.State{ledger.StateFailing, ledger.StateMissed, ledger.StateOverdue, ledger.StateLate},
	})
	if err != nil {
		return err
	}
	var ids []int64
	for _, c := range crons {
		ids = append(ids, c.ID)
	}
	strips, err := d.o.Ledger.Strips(r.Context(), ids, cronsStrip)
	if err != nil {
		return err
	}
	for _, c := range crons {
		p.Attention = append(p.Attention, attentionTo(c, strips[c.ID]))
	}
	return nil
}

// attentionTo says what is the matter with a cron, and leads to the newest of its
// runs that tells.
func attentionTo(c ledger.CronStatus, runs []ledger.Execution) attention {
	a := attention{CronStatus: c, Since: c.ExpectedAt, Link: fmt.Sprintf("%scrons/%d", Root, c.ID)}
	var telling []ledger.Status
	switch c.State {
	case ledger.StateFailing:
		a.Since, telling = c.FailingSince, []ledger.Status{ledger.Failed, ledger.TimedOut}
	case ledger.StateOverdue:
		a.Since, telling = c.OverdueSince, []ledger.Status{ledger.TimedOut, ledger.Running}
	case ledger.StateMissed:
		a.Since, telling = c.MissedSince, []ledger.Status{ledger.Missed}
	default: // late: there is nothing yet
	}
	for _, e := range slices.Backward(runs) {
		if slices.Contains(telling, e.Status) {
			a.Link, a.Said = fmt.Sprintf("%sruns/%d", Root, e.ID), e.Detail
			break
		}
	}
	return a
}

func (d *Dashboard) overviewRunning(r *request, p *overviewPage) error {
	runs, next, err := d.o.Ledger.Executions(r.Context(), ledger.ExecutionFilter{
		App: r.viewer.AppID, Statuses: []ledger.Status{ledger.Running}, Limit: overviewRows,
	})
	if err != nil || len(runs) == 0 {
		return err
	}
	p.More = next != 0
	var crons []int64
	for _, e := range runs {
		if !slices.Contains(crons, e.CronID) {
			crons = append(crons, e.CronID)
		}
	}
	strips, err := d.o.Ledger.Strips(r.Context(), crons, comparedRuns)
	if err != nil {
		return err
	}
	for _, e := range runs {
		w := underWay{ListedExecution: e, Took: ranFor(&e.Execution, r.now), Usual: usualOf(strips[e.CronID]).Median}
		whole := w.Usual
		if !e.DeadlineAt.IsZero() {
			whole = e.DeadlineAt.Sub(e.StartedAt)
		}
		if whole > 0 {
			w.Part = int(min(100*w.Took/whole, 100))
		}
		w.Late = w.Usual > 0 && w.Took > w.Usual+w.Usual/2
		p.Running = append(p.Running, w)
	}
	return nil
}

func (d *Dashboard) overviewNext(r *request, p *overviewPage) (err error) {
	p.Next, err = d.o.Ledger.Upcoming(r.Context(), r.viewer.AppID, r.now.Add(overviewSpan), overviewRows)
	return err
}

func (d *Dashboard) overviewEvents(r *request, p *overviewPage) (err error) {
	p.Events, err = d.o.Ledger.Events(r.Context(), ledger.EventFilter{App: r.viewer.AppID, Limit: overviewRows})
	return err
}

// overviewStart tells a new user the next step until an application has a cron.
func (d *Dashboard) overviewStart(r *request, p *overviewPage) error {
	some, err := d.o.Ledger.Crons(r.Context(), ledger.CronFilter{App: r.viewer.AppID, Kind: ledger.External, Limit: 1})
	if err != nil || len(some) > 0 {
		return err
	}
	steps := firstSteps{URL: serverURL(r)}
	if !r.viewer.Operator() {
		steps.App, steps.Keyed = r.viewer.App, true
		p.Start = &steps
		return nil
	}
	apps, err := d.o.Keys.Applications(r.Context())
	if err != nil {
		return err
	}
	for _, a := range apps {
		if a.Name != apikey.BuiltIn && (steps.App == "" || a.Keys > 0 && !steps.Keyed) {
			steps.App, steps.Keyed = a.Name, a.Keys > 0
		}
	}
	p.Start = &steps
	return nil
}
