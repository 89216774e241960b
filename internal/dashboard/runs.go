package dashboard

import (
	"strconv"

	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

const (
	runsOnPage = 50
	maxAsked   = 200 // characters of what is searched for
)

func (d *Dashboard) runPages() []page {
	return []page{
		{Root + "runs", "runs", viewers, d.runs, []string{"status", "app", "host", "trigger", "overdue", "before"}},
		{Root + "runs/{id}", "runs", viewers, d.run, []string{"level", "q", "before", "from"}},
	}
}

// runsPage is what the list of runs shows.
type runsPage struct {
	Chips   []chip
	App     string
	Apps    []string // to choose among; nil: their name is typed
	Host    string
	Trigger ledger.Trigger
	Overdue bool
	Runs    []ledger.ListedExecution
	More    string // the address of the next page; "" after the last
	Any     bool   // whether a filter is set
	Status  string // as the address has it
}

// statusGroups are the filters by how runs ended.
var statusGroups = []struct {
	word, value string
	statuses    []ledger.Status
}{
	{"All", "", nil},
	{"Running", "running", []ledger.Status{ledger.Running}},
	{"Failed", "failed", []ledger.Status{ledger.Failed, ledger.TimedOut}},
	{"Missed", "missed", []ledger.Status{ledger.Missed}},
	{"Refused", "refused", []ledger.Status{ledger.Skipped}},
	{"Cancelled", "cancelled", []ledger.Status{ledger.Cancelled, ledger.Superseded}},
	{"Ok", "ok", []ledger.Status{ledger.Success}},
}

// runs is the page of all runs, the newest first.
func (d *Dashboard) runs(r *request) (view, error) {
	p, f, err := d.readRuns(r)
	if err != nil {
		return view{}, err
	}
	if p.Apps, err = d.appsOffered(r.Context(), r.viewer); err != nil {
		return view{}, err
	}
	runs, next, err := d.o.Ledger.Executions(r.Context(), f)
	if err != nil {
		return view{}, err
	}
	p.Runs = runs
	if next != 0 {
		p.More = with(r.query, "runs", "before", strconv.FormatInt(next, 10))
	}
	v := view{template: "runs", title: "Runs", data: p}
	if f.Before == 0 { // what is older stands still
		v.live = []string{"ledger"}
	}
	return v, nil
}

// readRuns reads ?status=&app=&host=&trigger=&overdue=&before=.
func (d *Dashboard) readRuns(r *request) (p runsPage, f ledger.ExecutionFilter, err error) {
	f = ledger.ExecutionFilter{App: r.viewer.AppID, Limit: runsOnPage}
	values := make([]string, len(statusGroups))
	for i, g := range statusGroups {
		values[i] = g.value
	}
	if p.Status, err = params.Word(r.query, "status", values...); err != nil {
		return p, f, err
	}
	for _, g := range statusGroups {
		p.Chips = append(p.Chips, chip{
			Word: g.word, Link: with(r.query, "runs", "status", g.value, "before", ""), On: g.value == p.Status,
		})
		if g.value == p.Status {
			f.Statuses = g.statuses
		}
	}
	if p.App, _, err = r.query.Text("app", maxAsked); err != nil {
		return p, f, err
	}
	if p.App != "" {
		if f.App, err = d.appNamed(r.Context(), r.viewer, p.App); err != nil {
			return p, f, err
		}
	}
	if f.Host, _, err = r.query.Text("host", maxAsked); err != nil {
		return p, f, err
	}
	if r.query.Get("trigger") != "" {
		if f.Trigger, err = params.Word(r.query, "trigger", ledger.Schedule, ledger.HTTP, ledger.CLI); err != nil {
			return p, f, err
		}
	}
	if f.Overdue, err = r.query.Truth("overdue"); err != nil {
		return p, f, err
	}
	if f.Before, err = r.query.ID("before"); err != nil {
		return p, f, err
	}
	p.Host, p.Trigger, p.Overdue = f.Host, f.Trigger, f.Overdue
	p.Any = p.Status != "" || p.App != "" || f.Host != "" || f.Trigger != "" || f.Overdue
	return p, f, nil
}
