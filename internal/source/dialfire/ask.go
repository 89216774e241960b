package dialfire

import (
	"context"
	"slices"
	"strings"
)

// ask asks for contacts, and once more for those that were left out.
func (r *run) ask(ctx context.Context, ids []string, tries int) (outcome, error) {
	a, err := r.get(ctx, ids, tries)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{contacts: a.contacts, bytes: a.bytes}
	missing := a.missing(ids)
	if len(missing) == 0 || r.config.Mode == Webhook {
		return out, nil
	}
	again, err := r.askAgain(ctx, missing, tries)
	if err != nil {
		return outcome{}, err
	}
	out.add(again)
	return out, nil
}

// answer is what was given of contacts that were asked for.
type answer struct {
	contacts []contact // those that were asked for, and rejections of others
	given    map[string]bool
	bytes    int
	// nameless is set where a contact came without an id: it may be any of those that
	// seem to be left out.
	nameless bool
}

func (a answer) missing(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return a.given[id] })
}

// get asks for contacts once.
func (r *run) get(ctx context.Context, ids []string, tries int) (a answer, err error) {
	var came []contact
	err = r.api.contacts(ctx, ids, tries, func(data []byte) error {
		a.bytes = len(data)
		came, err = r.decode(data)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	a.given = make(map[string]bool, len(ids))
	strangers := 0
	for _, c := range came {
		switch {
		case c.id == "":
			a.nameless = true
		case !asked[c.id]:
			strangers++
			continue
		default:
			a.given[c.id] = true
			r.progress.fetched.Add(1)
		}
		a.contacts = append(a.contacts, c)
	}
	if strangers > 0 {
		r.log.WarnContext(ctx, "the API gave contacts that were not asked for", "contacts", strangers)
	}
	r.saw(a.given)
	return a, nil
}

// saw remembers a few contacts that exist.
func (r *run) saw(given map[string]bool) {
	const enough = 2
	r.fetching.mu.Lock()
	defer r.fetching.mu.Unlock()
	added := 0
	for id := range given {
		if added++; added > enough {
			break
		}
		r.fetching.known = append(r.fetching.known, strings.Clone(id)) // not with its whole answer
	}
	if n := len(r.fetching.known); n > enough {
		r.fetching.known = slices.Clone(r.fetching.known[n-enough:])
	}
}

// witness is a contact that existed just now; "" if none is known.
func (r *run) witness() string {
	r.fetching.mu.Lock()
	defer r.fetching.mu.Unlock()
	if n := len(r.fetching.known); n > 0 {
		return r.fetching.known[n-1]
	}
	return ""
}

// decode reads all contacts of an answer.
func (l *layout) decode(data []byte) (contacts []contact, err error) {
	err = l.decodeContacts(data, func(c contact) error {
		contacts = append(contacts, c)
		return nil
	})
	return contacts, err
}
