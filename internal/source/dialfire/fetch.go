package dialfire

import (
	"context"
	"fmt"
	"sync"

	"ferryman/internal/fault"
)

const (
	// groupTries is how often a group of contacts is asked for before it is suspected.
	groupTries = 3
	// mostUnfetchable bounds the contacts of one read that are given up: beyond that
	// something else is wrong.
	mostUnfetchable = 100
	// nobody is an id that no contact has.
	nobody = "2222222222222222"
)

// fetching is what the fetches of one read share.
type fetching struct {
	mu      sync.Mutex
	known   []string // the last contacts that the API gave, the newest last
	givenUp int
}

// fetch asks for a group of contacts. Where that fails and others fare better, the
// group is halved, down to the one contact that cannot be fetched.
func (r *run) fetch(ctx context.Context, ids []string) (outcome, error) {
	out, err := r.ask(ctx, ids, groupTries)
	if err != nil && suspect(ctx, err) && !tooMuch(err, len(ids)) {
		// Trouble of the API as a whole has to be over before anything is held against
		// these contacts.
		if err := r.probe(ctx); err != nil {
			return outcome{}, err
		}
		tries := 1
		if len(ids) == 1 { // to give it up takes more than a spell of bad luck
			tries = groupTries
		}
		out, err = r.ask(ctx, ids, tries)
	}
	switch {
	case err == nil:
		return out, nil
	case !suspect(ctx, err):
		return outcome{}, err
	case len(ids) == 1:
		return r.giveUp(ctx, ids[0], err)
	}
	var both outcome
	half := len(ids) / 2
	for _, part := range [][]string{ids[:half], ids[half:]} {
		out, err := r.fetch(ctx, part)
		if err != nil {
			return outcome{}, err
		}
		both.add(out)
	}
	return both, nil
}

// tooMuch tells whether it may be that just too many contacts were asked for.
func tooMuch(err error, contacts int) bool {
	kind := fault.KindOf(err)
	return kind == fault.TooLarge || kind == fault.Timeout && contacts > 1
}

// suspect tells whether err may be due to the contacts that were asked for.
func suspect(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	return isBroken(err) || refusedAsked(err) || fault.KindOf(err) == fault.TooLarge || weigh(0, err) == own
}

// probe waits until the API gives contacts.
func (r *run) probe(ctx context.Context) error {
	ids := []string{nobody}
	if known := r.witness(); known != "" {
		ids[0] = known
	}
	return r.api.contacts(ctx, ids, 0, func(data []byte) error {
		_, err := r.decode(data)
		return err
	})
}

func (r *run) giveUp(ctx context.Context, id string, err error) (outcome, error) {
	r.fetching.mu.Lock()
	r.fetching.givenUp++
	many := r.fetching.givenUp > mostUnfetchable
	r.fetching.mu.Unlock()
	if many {
		return outcome{}, &fault.Error{
			Kind: fault.Unavailable, Code: "contacts_unfetchable",
			Detail: fmt.Sprintf("more than %d contacts cannot be fetched, though others can", mostUnfetchable),
			Hint:   "ask the operator of the API; the next run goes on from here",
			Err:    err,
		}
	}
	r.log.WarnContext(ctx, "contact cannot be fetched", "contact", id, "err", err)
	r.source.shunned.add(id, r.source.now())
	reason := "the contact cannot be fetched: " + err.Error()
	return outcome{failed: []failure{{id, reason}}}, nil
}
