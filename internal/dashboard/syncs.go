package dashboard

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
)

const (
	syncsMost    = 200 // that the list shows
	syncRunsLast = 20  // whose dead letters are counted
)

// Pipeline is what one of this node's syncs carries from where to where. Its texts
// hold no secrets.
type Pipeline struct {
	Slug    string // of its cron
	Source  string
	Target  string
	Mode    string // a campaign's; "" of any other
	Channel string // of the outbox, where that is the target; "" of a database
	// Letters gives the newest rows that the target refused, or those after the given
	// one; nil where there are none to be read.
	Letters func(ctx context.Context, after Letter, limit int) ([]Letter, error)
}

func (d *Dashboard) syncPages() []page {
	return []page{
		{Root + "syncs", "syncs", operators, d.syncs, nil},
		{Root + "syncs/{slug}", "syncs", operators, d.sync, []string{"letters"}},
	}
}

func (d *Dashboard) syncActions() []action {
	one := Root + "syncs/{slug}/"
	return []action{
		{one + "run", "cron.run", operators, d.runSync},
		{one + "verify", "sync.verify", operators, d.verifySync},
		{one + "repair", "sync.repair", operators, d.repairSync},
		{one + "stop", "sync.stop", operators, d.stopVerifying},
	}
}

// syncRow is a sync as the list and its own page have it.
type syncRow struct {
	Cron     ledger.CronStatus
	Pipeline *Pipeline // nil: another node's, or a command's
	Lag      time.Duration
	Last     *ledger.Execution // the newest that has ended; nil if there is none
	Told     *ledger.Execution // the newest of these with a report: it may be an older one
	Report   *pipeline.Report  // of that; nil if there is none
	Rate     int64             // rows that it read in a second
	Refused  int64             // rows, in the last runs
	Runs     int               // how many those are
}

// Name is what people call the sync.
func (s syncRow) Name() string { return s.Cron.Name }

// syncs is the list of all of Ferryman's own syncs.
func (d *Dashboard) syncs(r *request) (view, error) {
	crons, err := d.o.Ledger.Crons(r.Context(), ledger.CronFilter{Kind: ledger.Sync, TroubleFirst: true, Limit: syncsMost})
	if err != nil {
		return view{}, err
	}
	rows, err := d.syncRows(r, crons)
	if err != nil {
		return view{}, err
	}
	return view{template: "syncs", title: "Syncs", data: rows, live: []string{"ledger"}}, nil
}

// syncRows joins crons with what is known of their pipelines and runs.
func (d *Dashboard) syncRows(r *request, crons []ledger.CronStatus) ([]syncRow, error) {
	ids := make([]int64, len(crons))
	for i := range crons {
		ids[i] = crons[i].ID
	}
	strips, err := d.o.Ledger.Strips(r.Context(), ids, syncRunsLast)
	if err != nil {
		return nil, err
	}
	rows := make([]syncRow, len(crons))
	for i, c := range crons {
		row := syncRow{Cron: c}
		if at := slices.IndexFunc(d.o.Pipelines, func(p Pipeline) bool { return p.Slug == c.Slug }); at >= 0 {
			row.Pipeline = &d.o.Pipelines[at]
		}
		if !c.LastSuccess.IsZero() {
			row.Lag = r.now.Sub(c.LastSuccess)
		}
		row.lookAt(strips[c.ID], r.now)
		rows[i] = row
	}
	return rows, nil
}

// lookAt takes from the newest runs what the page tells of them.
func (s *syncRow) lookAt(runs []ledger.Execution, now time.Time) {
	for i := range slices.Backward(runs) {
		e := &runs[i]
		if e.EndedAt.IsZero() || e.Status == ledger.Missed || e.Status == ledger.Skipped {
			continue
		}
		s.Runs++
		s.Refused += e.Counts.Rejected
		if s.Last == nil {
			s.Last = e
		}
		var report pipeline.Report
		if s.Report != nil || json.Unmarshal(e.Result, &report) != nil || len(report.Tables) == 0 {
			continue // one that came to nothing has nothing to tell
		}
		s.Told, s.Report = e, &report
		if seconds := ranFor(e, now).Seconds(); seconds > 0 {
			s.Rate = int64(float64(report.Total().Read) / seconds)
		}
	}
}

// syncAsked gives the cron of the sync that the path names.
func (d *Dashboard) syncAsked(r *request) (ledger.CronStatus, error) {
	slug := r.PathValue("slug")
	found, err := d.o.Ledger.Crons(r.Context(), ledger.CronFilter{Kind: ledger.Sync, Search: slug, Limit: syncsMost})
	if err != nil {
		return ledger.CronStatus{}, err
	}
	for _, c := range found {
		if c.Slug == slug {
			return c, nil
		}
	}
	return ledger.CronStatus{}, &fault.Error{
		Kind: fault.NotFound, Code: "unknown_sync", Detail: "there is no sync of this name",
		Hint: "a campaign's is called contacts- and the campaign's name; warehouses is the other",
	}
}

// runSync asks for a run and goes on.
func (d *Dashboard) runSync(r *request) (done, error) {
	c, err := d.syncAsked(r)
	if err != nil {
		return done{}, err
	}
	return d.cast(r.Context(), &c.Cron)
}

// errElsewhere says that this node does not run the sync.
var errElsewhere = &fault.Error{
	Kind: fault.Conflict, Code: "unknown_sync", Detail: "this server does not run the sync",
	Hint: "ask the node that does, or run it by command",
}
