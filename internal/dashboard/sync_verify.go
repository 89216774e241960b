package dashboard

import (
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
)

// Verifier compares what syncs have written with their sources, in the background
// of this server. What it found is kept until the server ends.
type Verifier interface {
	// Can tells whether it compares the sync with the slug.
	Can(slug string) bool
	// Begin begins to compare, and with repair to write what differs. It gives a fault
	// if it does so already, or cannot.
	Begin(slug string, repair bool) error
	// Stop calls off what goes on, if anything does.
	Stop(slug string)
	// Last tells of the newest; nil if there was none since this server began.
	Last(slug string) *Verification
	// Pulse is a short text that differs after anything went on.
	Pulse() string
}

// Verification is a comparison of a sync with its source, or a repair.
type Verification struct {
	Repair    bool
	Begun     time.Time
	Ended     time.Time // zero while it goes on
	Phase     string    // what is being read
	Listed    int64     // contacts
	Total     int64     // contacts to be listed; 0: not known
	Undecided int64     // contacts and calls of which it cannot be told whether they have gone
	Report    pipeline.Report
	// Differences are the first of the rows that differ.
	Differences []Difference
	Failure     string // why it did not come to its end; "" after one that did
}

// Difference is a row that is not in the target as the source has it.
type Difference struct {
	Table   string
	Key     string
	Kind    string // missing, different or extra
	Columns []string
}

// Differ is how many rows differ, or were made right.
func (v Verification) Differ() int64 {
	t := v.Report.Total()
	return t.Inserted + t.Updated + t.Deleted
}

// Part is how much of the source was compared, in percent; 0 if that is not known.
func (v Verification) Part() int64 {
	if v.Total == 0 {
		return 0
	}
	return min(100*v.Listed/v.Total, 100)
}

// CanRepair tells whether it found anything that a repair makes right.
func (v Verification) CanRepair() bool {
	return !v.Ended.IsZero() && v.Failure == "" && !v.Repair && v.Differ() > 0
}

func (d *Dashboard) verifySync(r *request) (done, error) { return d.beginVerifying(r, false) }
func (d *Dashboard) repairSync(r *request) (done, error) { return d.beginVerifying(r, true) }

func (d *Dashboard) beginVerifying(r *request, repair bool) (done, error) {
	c, err := d.verifiable(r)
	if err != nil {
		return done{}, err
	}
	say := visible(c.Name) + " is compared with its source now. What is found stands below, until this server ends."
	if repair {
		say = visible(c.Name) + " is made right: what differs is written."
		if last := d.o.Verifier.Last(c.Slug); last == nil || !last.CanRepair() {
			return done{}, &fault.Error{
				Kind: fault.Conflict, Code: "not_verified", Detail: "a repair follows a verification that found differences", Hint: "verify first",
			}
		}
	}
	if err := d.o.Verifier.Begin(c.Slug, repair); err != nil {
		return done{}, err
	}
	return done{say: say, target: audit.Cron(c.ID, c.App, c.Slug)}, nil
}

// stopVerifying calls a verification or a repair off.
func (d *Dashboard) stopVerifying(r *request) (done, error) {
	c, err := d.verifiable(r)
	if err != nil {
		return done{}, err
	}
	if last := d.o.Verifier.Last(c.Slug); last == nil || !last.Ended.IsZero() {
		return done{say: "Nothing goes on any more.", refused: true}, nil
	}
	d.o.Verifier.Stop(c.Slug)
	return done{say: "It is called off. A batch in hand lands whole or not at all.", target: audit.Cron(c.ID, c.App, c.Slug)}, nil
}

// verifiable gives the sync that the path names if this server can compare it.
func (d *Dashboard) verifiable(r *request) (ledger.CronStatus, error) {
	c, err := d.syncAsked(r)
	if err == nil && (d.o.Verifier == nil || !d.o.Verifier.Can(c.Slug)) {
		err = &fault.Error{
			Kind: fault.Conflict, Code: "not_verifiable", Detail: "this server cannot compare the sync with its source",
			Hint: "only a campaign with a database as its target can be compared, by a server that runs it",
		}
	}
	return c, err
}
