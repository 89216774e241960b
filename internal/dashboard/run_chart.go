package dashboard

import (
	"fmt"
	"html/template"
	"strconv"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
)

// strip draws executions of a cron, the oldest first, as bars that lead to their
// pages.
func (r *request) strip(label string, all []ledger.Execution, room int) template.HTML {
	if len(all) == 0 {
		return ""
	}
	return chart.Strip(label, r.runsOf(all), room)
}

// runsOf are executions as charts take them.
func (r *request) runsOf(all []ledger.Execution) []chart.Run {
	runs := make([]chart.Run, len(all))
	for i := range all {
		runs[i] = r.runOf(&all[i])
	}
	return runs
}

func (r *request) runOf(e *ledger.Execution) chart.Run {
	word, at := string(e.Status), r.clock(e.StartedAt)
	run := chart.Run{
		Result: resultOf(e), At: e.StartedAt, Took: ranFor(e, r.now),
		Href: Root + "runs/" + strconv.FormatInt(e.ID, 10),
	}
	if run.Result == chart.Warned {
		word = "warned"
	}
	word = markOf(word).Word
	switch e.Status {
	case ledger.Missed:
		run.Label = word + ", expected " + r.clock(e.ScheduledFor)
		if e.Repeats > 1 {
			run.Label += fmt.Sprintf(", and %d more", e.Repeats-1)
		}
	case ledger.Skipped:
		run.Label = word + ", " + at
	case ledger.Running:
		run.Label = word + " since " + at + ", " + took(run.Took)
	case ledger.Success, ledger.Failed, ledger.TimedOut, ledger.Cancelled, ledger.Superseded:
		run.Label = word + ", " + at + ", " + took(run.Took)
	}
	return run
}

// resultOf is what came of an execution, as charts tell it apart.
func resultOf(e *ledger.Execution) chart.Result {
	switch e.Status {
	case ledger.Running:
		return chart.Running
	case ledger.Success:
		if e.EndType == ledger.Warning {
			return chart.Warned
		}
		return chart.OK
	case ledger.Failed:
		return chart.Failed
	case ledger.TimedOut:
		return chart.TimedOut
	case ledger.Missed:
		return chart.Missed
	case ledger.Skipped:
		return chart.Refused
	case ledger.Cancelled, ledger.Superseded:
	}
	return chart.Cancelled
}
