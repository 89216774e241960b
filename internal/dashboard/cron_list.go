package dashboard

import (
	"context"
	"html/template"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
)

const (
	cronsShown  = 50
	cronsStrip  = 20                 // runs of each in the list
	cronsRate   = 7 * 24 * time.Hour // that the success rate is of
	appsOffered = 200                // applications in a menu; of more, one types the name
)

// cronList is what the list of crons shows.
type cronList struct {
	Asked  cronsAsked
	States []chip
	Kinds  []chip
	Apps   []string // to choose among; nil: their name is typed
	Rows   []cronRow
	More   string // address of the next page
	First  string // address of the first page; "" on it
	All    int64  // crons that there are, whatever was asked for
	Ailing int64  // of which so many are in trouble
	URL    string // of this server
}

// cronRow is a cron in the list.
type cronRow struct {
	ledger.CronStatus
	Plan  string // its schedule in words
	Strip template.HTML
	Rate  string
	CanBe cronCan
}

// cronCan is what the viewer can do to a cron.
type cronCan struct {
	Run      bool
	Resume   bool
	Release  bool
	Unsnooze bool
}

func (d *Dashboard) cronCan(c *ledger.CronStatus, now time.Time) cronCan {
	return cronCan{
		Run:    c.Kind == ledger.Sync && d.o.Syncs != nil,
		Resume: !c.Active || c.PausedUntil.After(now), Release: c.Running > 0, Unsnooze: c.SnoozedUntil.After(now),
	}
}

// crons is the list of all crons, those in trouble first.
func (d *Dashboard) crons(r *request) (view, error) {
	asked, err := d.readCronsAsked(r)
	if err != nil {
		return view{}, err
	}
	ctx := r.Context()
	list := cronList{Asked: asked, URL: serverURL(r)}
	if list.Apps, err = d.appsOffered(ctx, r.viewer); err != nil {
		return view{}, err
	}
	counts, err := d.o.Ledger.StateCounts(ctx, asked.filter.App)
	if err != nil {
		return view{}, err
	}
	list.count(counts)
	all, err := d.o.Ledger.Crons(ctx, asked.filter)
	if err != nil {
		return view{}, err
	}
	if len(all) > cronsShown {
		all = all[:cronsShown]
		list.More = asked.link("after", asked.filter.Next(all[cronsShown-1]))
	}
	if asked.filter.After != "" {
		list.First = asked.link("after", "")
	}
	list.Rows, err = d.cronRows(r, all)
	return view{template: "crons", title: "Crons", data: list, live: []string{"ledger"}}, err
}

// cronRows adds what a row shows beside the cron itself.
func (d *Dashboard) cronRows(r *request, all []ledger.CronStatus) ([]cronRow, error) {
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	strips, err := d.o.Ledger.Strips(r.Context(), ids, cronsStrip)
	if err != nil {
		return nil, err
	}
	weeks, err := d.o.Ledger.Tallies(r.Context(), ids, r.now.Add(-cronsRate))
	if err != nil {
		return nil, err
	}
	rows := make([]cronRow, len(all))
	for i, c := range all {
		week := weeks[c.ID]
		rows[i] = cronRow{
			CronStatus: c, Plan: scheduleInWords(c.Schedule), Strip: r.bars("Last runs of "+visible(c.Name), strips[c.ID], cronsStrip),
			Rate: percent(week.Success, judged(week)), CanBe: d.cronCan(&c, r.now),
		}
	}
	return rows, nil
}

// judged is how many runs went well or did not: what people cancelled tells nothing.
func judged(t ledger.Tally) int64 { return t.Success + t.Failed + t.TimedOut }

// count makes the chips of states. States that nothing is in are left out, but for
// one that was asked for.
func (l *cronList) count(counts map[ledger.State]int64) {
	for _, n := range counts {
		l.All += n
	}
	l.Ailing = counts[ledger.StateFailing] + counts[ledger.StateMissed] + counts[ledger.StateOverdue]
	l.States = append(l.States, chip{Word: "All", Link: l.Asked.link("state", ""), On: len(l.Asked.filter.States) == 0, Count: l.All})
	for _, s := range cronStates() {
		if asked := l.Asked.state(s); asked || counts[s] > 0 {
			l.States = append(l.States, chip{State: string(s), Link: l.Asked.link("state", string(s)), On: asked, Count: counts[s]})
		}
	}
	for _, k := range [...]struct {
		word string
		kind ledger.Kind
	}{{"all kinds", ""}, {"of applications", ledger.External}, {"own syncs", ledger.Sync}} {
		l.Kinds = append(l.Kinds, chip{Word: k.word, Link: l.Asked.link("kind", string(k.kind)), On: l.Asked.filter.Kind == k.kind})
	}
}

// appsOffered names the applications that an operator may choose among; nil if
// there are too many, or for who sees but one.
func (d *Dashboard) appsOffered(ctx context.Context, v viewer) ([]string, error) {
	if !v.Operator() {
		return nil, nil
	}
	names, err := d.o.Keys.Names(ctx, appsOffered+1)
	if err != nil || len(names) > appsOffered {
		return nil, err
	}
	return names, nil
}

// appNamed gives an application by its name, if the viewer may see it.
func (d *Dashboard) appNamed(ctx context.Context, v viewer, name string) (int64, error) {
	if !v.Operator() {
		if name != v.App {
			return 0, apikey.ErrNoApplication
		}
		return v.AppID, nil
	}
	a, err := d.o.Keys.Application(ctx, name)
	return a.ID, err
}
