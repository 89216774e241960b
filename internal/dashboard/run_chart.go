package dashboard

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

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

// bars draws executions as strip does, as one picture, whose label says how many came
// to what.
func (r *request) bars(label string, all []ledger.Execution, room int) template.HTML {
	if len(all) == 0 {
		return ""
	}
	runs, words, counts := make([]chart.Run, len(all)), []string(nil), map[string]int{}
	for i := range all {
		e := &all[i]
		runs[i] = chart.Run{Result: resultOf(e), Took: ranFor(e, r.now)}
		word := resultWord(e)
		if counts[word]++; counts[word] == 1 {
			words = append(words, word)
		}
	}
	for i, word := range words {
		words[i] = strconv.Itoa(counts[word]) + " " + word
	}
	return chart.Bars(label+": "+strings.Join(words, "; "), runs, room)
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
	word, at := resultWord(e), r.clock(e.StartedAt)
	run := chart.Run{
		Result: resultOf(e), At: e.StartedAt, Took: ranFor(e, r.now),
		Href: Root + "runs/" + strconv.FormatInt(e.ID, 10),
	}
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

// resultWord says what came of an execution.
func resultWord(e *ledger.Execution) string {
	if resultOf(e) == chart.Warned {
		return markOf("warned").Word
	}
	return markOf(string(e.Status)).Word
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
