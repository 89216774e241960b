package dialfire

import (
	"context"
	"slices"
)

// askAgain asks once more for contacts that an answer has left out. Those that are
// left out again have vanished, if the API can be believed: an answer that also
// leaves out a contact which is known to exist, or that holds one without an id, says
// nothing. A campaign that seems to have no contacts at all is therefore left as it is.
func (r *run) askAgain(ctx context.Context, missing []string, tries int) (outcome, error) {
	var out outcome
	for part := range slices.Chunk(missing, max(1, r.config.PerCall-1)) { // with the witness a group
		more, err := r.confirm(ctx, part, tries)
		if err != nil {
			return outcome{}, err
		}
		out.add(more)
	}
	return out, nil
}

func (r *run) confirm(ctx context.Context, missing []string, tries int) (outcome, error) {
	var out outcome
	for _, witness := range []func(context.Context) (string, error){r.lastKnown, r.firstListed} {
		id, err := witness(ctx)
		if err != nil {
			return outcome{}, err
		}
		if id == "" || slices.Contains(missing, id) {
			continue
		}
		a, err := r.get(ctx, append([]string{id}, missing...), tries)
		if err != nil {
			return outcome{}, err
		}
		out.bytes += a.bytes
		for _, c := range a.contacts {
			if c.id != id {
				out.contacts = append(out.contacts, c)
			}
		}
		missing = a.missing(missing)
		switch {
		case len(missing) == 0:
			return out, nil
		case a.given[id] && !a.nameless:
			out.vanished = missing
			return out, nil
		}
	}
	r.log.WarnContext(ctx, "contacts were left out, and nothing proves that they have vanished", "contacts", len(missing))
	return out, nil
}

func (r *run) lastKnown(context.Context) (string, error) { return r.witness(), nil }

func (r *run) firstListed(ctx context.Context) (string, error) {
	p, err := r.api.list(ctx, "", "", 1)
	if err != nil || len(p.items) == 0 {
		return "", err
	}
	return p.items[0].id, nil
}
