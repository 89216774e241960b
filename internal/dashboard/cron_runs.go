package dashboard

import (
	"fmt"
	"strconv"

	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// cronRunList is the runs of a cron, the newest first.
type cronRunList struct {
	Filters []chip
	Rows    []cronRun
	More    string
	First   string // address of the first page; "" on it
}

type cronRun struct {
	ledger.ListedExecution
	State string // as marks has it
	Said  string
}

func cronRunOf(e ledger.ListedExecution) cronRun {
	state := string(e.Status)
	if e.Status == ledger.Success && e.EndType == ledger.Warning {
		state = "warned"
	}
	return cronRun{e, state, saidOf(&e.Execution)}
}

// cronRuns reads ?status=&before= and gives what they ask for.
func (d *Dashboard) cronRuns(r *request, id int64) (l cronRunList, err error) {
	f := ledger.ExecutionFilter{App: r.viewer.AppID, Cron: id, Limit: cronRuns}
	status, err := params.Word(r.query, "status", cronStatuses()...)
	if err != nil {
		return l, err
	}
	if status != "" {
		f.Statuses = []ledger.Status{status}
	}
	if f.Before, err = r.query.ID("before"); err != nil {
		return l, err
	}
	here := fmt.Sprintf("crons/%d", id)
	if f.Before != 0 {
		l.First = with(r.query, here, "before", "")
	}
	page, next, err := d.o.Ledger.Executions(r.Context(), f)
	if err != nil {
		return l, err
	}
	for _, e := range page {
		l.Rows = append(l.Rows, cronRunOf(e))
	}
	if next != 0 {
		l.More = with(r.query, here, "before", strconv.FormatInt(next, 10))
	}
	for _, s := range append([]ledger.Status{""}, cronStatuses()...) {
		l.Filters = append(l.Filters, chip{Word: "All", State: string(s), Link: with(r.query, here, "status", string(s), "before", ""), On: s == status})
	}
	return l, nil
}

// cronStatuses lists all statuses, as the filters stand side by side.
func cronStatuses() []ledger.Status {
	return []ledger.Status{
		ledger.Running, ledger.Success, ledger.Failed, ledger.TimedOut, ledger.Missed, ledger.Skipped, ledger.Cancelled, ledger.Superseded,
	}
}
