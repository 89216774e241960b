package dashboard

import (
	"strings"
	"time"

	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

const (
	timelineCrons  = 25
	maxCronAfter   = 250                  // characters of a place in the list
	timelineFuture = 366 * 24 * time.Hour // how far ahead one may go
)

// timelineRange is how much a timeline shows.
type timelineRange struct {
	word   string // in the address
	name   string
	length time.Duration
	block  time.Duration // how much runs stand together that are too many
}

// timelineRanges lists those to choose among, the shortest first.
func timelineRanges() []timelineRange {
	const day = 24 * time.Hour
	return []timelineRange{
		{"1h", "1 h", time.Hour, time.Hour},
		{"6h", "6 h", 6 * time.Hour, time.Hour},
		{"24h", "24 h", day, time.Hour},
		{"7d", "7 d", 7 * day, time.Hour},
		{"30d", "30 d", 30 * day, 6 * time.Hour},
	}
}

// timelineAsked is what the address of the timeline asks for.
type timelineAsked struct {
	timelineRange
	since, until time.Time
	moving       bool // it ends a little after now, whenever that is
	filter       ledger.CronFilter
	App          string
	Search       string
	Trouble      bool // what is in trouble comes first
}

// edge is the end of a timeline that moves along: an eighth of it is to come.
func (t timelineRange) edge(now time.Time) time.Time { return now.Add(t.length / 8) }

// readTimeline reads ?range=&until=&app=&search=&order=&after=.
func (d *Dashboard) readTimeline(r *request) (a timelineAsked, err error) {
	if err = a.readTimes(r); err != nil {
		return a, err
	}
	order, err := params.Word(r.query, "order", "name", "trouble")
	if err != nil {
		return a, err
	}
	a.Trouble = order == "trouble"
	if a.Search, _, err = r.query.Text("search", maxCronSearch); err != nil {
		return a, err
	}
	a.Search = strings.TrimSpace(a.Search)
	a.filter = ledger.CronFilter{App: r.viewer.AppID, Search: a.Search, TroubleFirst: a.Trouble, Limit: timelineCrons + 1}
	if a.filter.After, _, err = r.query.Text("after", maxCronAfter); err != nil {
		return a, err
	}
	if a.filter.After != "" && !isTimelinePlace(a.filter.After, a.Trouble) {
		return a, params.Bad("after", "no place in the list", "begin with the first page")
	}
	if a.App, _, err = r.query.Text("app", maxCronSearch); err != nil || a.App == "" {
		return a, err
	}
	a.filter.App, err = d.appNamed(r.Context(), r.viewer, a.App)
	return a, err
}

func (a *timelineAsked) readTimes(r *request) error {
	all := timelineRanges()
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = one.word
	}
	word, err := params.Word(r.query, "range", words...)
	if err != nil {
		return err
	}
	a.timelineRange = all[2]
	for _, one := range all {
		if one.word == word {
			a.timelineRange = one
		}
	}
	if a.until, err = r.query.Instant("until"); err != nil {
		return err
	}
	if a.moving = a.until.IsZero(); a.moving {
		a.until = a.edge(r.now)
	}
	a.until = a.until.UTC().Truncate(time.Second)
	a.since = a.until.Add(-a.length)
	return nil
}

// isTimelinePlace tells whether a text may be a place in the list, as the filter's
// Next gives it.
func isTimelinePlace(text string, trouble bool) bool {
	if trouble {
		return isCronPlace(text)
	}
	return isCronPlace("0/" + text)
}

// earlier is the end of the stretch before, as the address has it.
func (a timelineAsked) earlier() string { return a.since.Format(time.RFC3339) }

// later is the end of the stretch after, "" for the one that moves along, and false
// if that is too far ahead.
func (a timelineAsked) later(now time.Time) (string, bool) {
	next := a.until.Add(a.length)
	if edge := a.edge(now); !a.moving && a.until.Before(edge) && next.After(edge) {
		return "", true
	}
	return next.Format(time.RFC3339), next.Before(now.Add(timelineFuture))
}
