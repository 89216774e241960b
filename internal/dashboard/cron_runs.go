package dashboard

import (
	"fmt"
	"net/url"
	"strconv"

	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// cronRunList is the runs of a cron, the newest first.
type cronRunList struct {
	Filters []cronChip
	Rows    []cronRun
	More    string
	First   string // address of the first page; "" on it
}

type cronRun struct {
	ledger.ListedExecution
	State string // as marks has it
	Said  string
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
	address := func(s ledger.Status, before int64) string {
		q := url.Values{}
		if s != "" {
			q.Set("status", string(s))
		}
		if before != 0 {
			q.Set("before", strconv.FormatInt(before, 10))
		}
		return withQuery(fmt.Sprintf("%scrons/%d", Root, id), q)
	}
	if f.Before != 0 {
		l.First = address(status, 0)
	}
	page, next, err := d.o.Ledger.Executions(r.Context(), f)
	if err != nil {
		return l, err
	}
	for _, e := range page {
		state := string(e.Status)
		if e.Status == ledger.Success && e.EndType == ledger.Warning {
			state = "warned"
		}
		l.Rows = append(l.Rows, cronRun{e, state, saidOf(&e.Execution)})
	}
	if next != 0 {
		l.More = address(status, next)
	}
	for _, s := range append([]ledger.Status{""}, cronStatuses()...) {
		l.Filters = append(l.Filters, cronChip{Value: string(s), Href: address(s, 0), Current: s == status})
	}
	return l, nil
}

// cronStatuses lists all statuses, as the filters stand side by side.
func cronStatuses() []ledger.Status {
	return []ledger.Status{
		ledger.Running, ledger.Success, ledger.Failed, ledger.TimedOut, ledger.Missed, ledger.Skipped, ledger.Cancelled, ledger.Superseded,
	}
}
