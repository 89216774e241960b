package dashboard

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

const (
	lettersOnPage = 100
	// lettersWithin is how long the page waits for the target: that is a database of
	// somebody else, and the rest of the page is of use without it.
	lettersWithin = 2 * time.Second
)

// Letter is a row that a target or a source refused.
type Letter struct {
	ID     string
	Table  string
	Key    string
	Reason string
	At     time.Time // when it was refused last
}

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

// syncLetters asks the target for its dead letters. That it does not answer is no
// fault of the page.
func (d *Dashboard) syncLetters(r *request, p *syncPage) error {
	after, err := letterAsked(r.query)
	if err != nil || p.Pipeline == nil || p.Pipeline.Letters == nil {
		return err
	}
	here := "syncs/" + p.Cron.Slug
	if after.ID != "" {
		p.First = with(r.query, here, "letters", "")
	}
	ctx, cancel := context.WithTimeout(r.Context(), lettersWithin)
	defer cancel()
	letters, err := p.Pipeline.Letters(ctx, after, lettersOnPage+1)
	if err != nil {
		d.o.Log.Debug("the dead letters of a sync cannot be read", "sync", p.Cron.Slug, "err", err)
		p.NoLetters = "the target does not give them (" + strings.ReplaceAll(fault.CodeOf(err), "_", " ") + ")"
		return nil
	}
	if len(letters) > lettersOnPage {
		letters = letters[:lettersOnPage]
		last := letters[lettersOnPage-1]
		p.MoreLetter = with(r.query, here, "letters", fmt.Sprintf("%d-%s", last.At.UnixMicro(), last.ID))
	}
	p.Letters = letters
	return nil
}

// letterAsked reads after which letter the page begins: by its time and its id.
func letterAsked(q params.Query) (Letter, error) {
	text, given, err := q.Text("letters", maxAsked)
	if err != nil || !given || text == "" {
		return Letter{}, err
	}
	micros, id, found := strings.Cut(text, "-")
	at, err := strconv.ParseInt(micros, 10, 64)
	if !found || id == "" || err != nil {
		return Letter{}, params.Bad("letters", "is no place in the list", "follow the links of the page")
	}
	return Letter{ID: id, At: time.UnixMicro(at).UTC()}, nil
}
