package dashboard

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
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
	found, err := d.findLetters(r.Context(), p.Pipeline, after)
	if err != nil {
		return err
	}
	p.NoLetters = found.failure
	letters := found.letters
	if len(letters) > lettersOnPage {
		letters = letters[:lettersOnPage]
		last := letters[lettersOnPage-1]
		p.MoreLetter = with(r.query, here, "letters", fmt.Sprintf("%d-%s", last.At.UnixMicro(), last.ID))
	}
	p.Letters = letters
	return nil
}

// lettersFound is what a target answered, or why it did not.
type lettersFound struct {
	letters []Letter
	failure string // "" if it answered
}

// findLetters asks a target for a page of its dead letters. All who look at the
// first one share an answer that was costly: their pages ask anew with each report.
func (d *Dashboard) findLetters(ctx context.Context, p *Pipeline, after Letter) (lettersFound, error) {
	find := func(ctx context.Context) (found lettersFound, err error) {
		within, cancel := context.WithTimeout(ctx, lettersWithin)
		defer cancel()
		if found.letters, err = p.Letters(within, after, lettersOnPage+1); err != nil {
			d.o.Log.Debug("the dead letters of a sync cannot be read", "sync", p.Slug, "err", err)
			found = lettersFound{failure: "the target does not give them (" + strings.ReplaceAll(fault.CodeOf(err), "_", " ") + ")"}
		}
		return found, ctx.Err() // what is called off says nothing about the target
	}
	if after.ID != "" {
		return find(ctx)
	}
	return d.letters[p.Slug].get(ctx, find)
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
