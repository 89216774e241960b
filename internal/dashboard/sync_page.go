package dashboard

import "ferryman/internal/ledger"

// syncPage is what the page of a sync shows.
type syncPage struct {
	syncRow
	CanRun     bool
	Verifiable bool
	Verified   *Verification
	Letters    []Letter
	MoreLetter string // the address of the next page of letters
	First      string // that of the first; "" on it
	NoLetters  string // why the letters cannot be shown; "" if they can
}

// sync is the page of one sync.
func (d *Dashboard) sync(r *request) (view, error) {
	c, err := d.syncAsked(r)
	if err != nil {
		return view{}, err
	}
	// One that is asked for is looked at further back than one of a list.
	if c, err = d.o.Ledger.CronStatus(r.Context(), 0, ledger.Ref{ID: c.ID}); err != nil {
		return view{}, err
	}
	rows, err := d.syncRows(r, []ledger.CronStatus{c})
	if err != nil {
		return view{}, err
	}
	p := syncPage{syncRow: rows[0]}
	p.CanRun = p.Pipeline != nil && d.o.Syncs != nil
	v := view{template: "sync", title: c.Name, live: []string{"ledger"}}
	if d.o.Verifier != nil && d.o.Verifier.Can(c.Slug) {
		p.Verifiable, p.Verified = true, d.o.Verifier.Last(c.Slug)
		v.live = append(v.live, "verify")
	}
	if err := d.syncLetters(r, &p); err != nil {
		return view{}, err
	}
	v.data = p
	return v, nil
}
