package dashboard

import (
	"slices"
	"strings"
	"unicode/utf8"

	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// cronsAsked is what the address of the list asks for.
type cronsAsked struct {
	query  params.Query
	filter ledger.CronFilter
	App    string
	Search string
}

const (
	maxCronSearch = 100 // characters
	maxCronPlace  = 250
)

// readCronsAsked reads ?state=&kind=&app=&search=&after=. State may come several
// times.
func (d *Dashboard) readCronsAsked(r *request) (a cronsAsked, err error) {
	a.query = r.query
	a.filter = ledger.CronFilter{App: r.viewer.AppID, TroubleFirst: true, Limit: cronsShown + 1}
	if a.filter.States, err = params.Words(r.query, "state", cronStates()...); err != nil {
		return a, err
	}
	if a.filter.Kind, err = params.Word(r.query, "kind", ledger.External, ledger.Sync); err != nil {
		return a, err
	}
	if a.Search, _, err = r.query.Text("search", maxCronSearch); err != nil {
		return a, err
	}
	a.Search = strings.TrimSpace(a.Search)
	a.filter.Search = a.Search
	if a.filter.After, _, err = r.query.Text("after", maxCronPlace); err != nil {
		return a, err
	}
	if a.filter.After != "" && !isCronPlace(a.filter.After) {
		return a, params.Bad("after", "no place in the list", "begin with the first page")
	}
	if a.App, _, err = r.query.Text("app", maxCronSearch); err != nil || a.App == "" {
		return a, err
	}
	a.filter.App, err = d.appNamed(r.Context(), r.viewer, a.App)
	return a, err
}

func (a cronsAsked) state(s ledger.State) bool { return slices.Contains(a.filter.States, s) }

// Narrowed tells whether not all crons were asked for.
func (a cronsAsked) Narrowed() bool {
	return len(a.filter.States) > 0 || a.filter.Kind != "" || a.App != "" || a.Search != "" || a.filter.After != ""
}

// Hidden are the values of the query that the form of the search keeps.
func (a cronsAsked) Hidden() (fields [][2]string) {
	for _, s := range a.filter.States {
		fields = append(fields, [2]string{"state", string(s)})
	}
	if a.filter.Kind != "" {
		fields = append(fields, [2]string{"kind", string(a.filter.Kind)})
	}
	return fields
}

// link is the address of the list with one value changed, from its first page on;
// "" takes it away.
func (a cronsAsked) link(name, value string) string {
	return with(a.query, "crons", "after", "", name, value)
}

// isCronPlace tells whether a text may be a place in the list, as Next gives it.
func isCronPlace(text string) bool {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[1] == "" || !utf8.ValidString(parts[1]) {
		return false
	}
	rank, ok := params.Whole(parts[0])
	return ok && rank >= 0 && rank < int64(len(cronStates())) && ledger.ValidSlug(parts[2])
}

// cronStates lists all states in the order of the list.
func cronStates() []ledger.State {
	return []ledger.State{
		ledger.StateFailing, ledger.StateMissed, ledger.StateOverdue, ledger.StateLate, ledger.StateRunning, ledger.StateOK,
		ledger.StateNew, ledger.StateMaintenance, ledger.StatePaused, ledger.StateInactive,
	}
}
