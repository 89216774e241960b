package dialfire

import (
	"math/big"
	"slices"

	"ferryman/internal/pipeline"
)

// outcome is what became of contacts that were asked for.
type outcome struct {
	contacts []contact
	vanished []string // the API does not know them any more
	failed   []failure
	odd      []pipeline.Rejected // of lists: entries that name no contact
	bytes    int
}

// failure is a contact that cannot be fetched, whatever is tried.
type failure struct{ id, reason string }

func (o *outcome) add(more outcome) {
	o.contacts = append(o.contacts, more.contacts...)
	o.vanished = append(o.vanished, more.vanished...)
	o.failed = append(o.failed, more.failed...)
	o.bytes += more.bytes
}

// bundle is a batch in the making. Of what comes of one contact the highest version
// counts, and among equals what came last.
type bundle struct {
	contacts []contact
	loose    []rejection // of no contact that is known
	failed   []failure
	odd      []pipeline.Rejected
	vanished map[string]bool
	at       map[string]int // in contacts
	bytes    int
}

func newBundle() *bundle {
	return &bundle{vanished: map[string]bool{}, at: map[string]int{}}
}

func (b *bundle) size() int {
	return len(b.contacts) + len(b.vanished) + len(b.failed) + len(b.loose) + len(b.odd)
}

func (b *bundle) ids() []string {
	ids := make([]string, len(b.contacts))
	for i := range b.contacts {
		ids[i] = b.contacts[i].id
	}
	return ids
}

func (b *bundle) add(o outcome) {
	for _, c := range o.contacts {
		if c.id == "" {
			b.loose = append(b.loose, c.rejected...)
			continue
		}
		delete(b.vanished, c.id)
		b.failed = slices.DeleteFunc(b.failed, func(f failure) bool { return f.id == c.id })
		at, again := b.at[c.id]
		switch {
		case !again:
			b.at[c.id] = len(b.contacts)
			b.contacts = append(b.contacts, c)
		case !older(c.version, b.contacts[at].version):
			b.contacts[at] = c
		}
	}
	for _, id := range o.vanished {
		b.remove(id)
		b.vanished[id] = true
	}
	b.failed = append(b.failed, o.failed...)
	b.odd = append(b.odd, o.odd...)
	b.bytes += o.bytes
}

func (b *bundle) remove(id string) {
	if _, ok := b.at[id]; ok {
		b.keep(func(c *contact) bool { return c.id != id })
	}
}

// keep drops the contacts that f refuses.
func (b *bundle) keep(f func(*contact) bool) {
	b.contacts = slices.DeleteFunc(b.contacts, func(c contact) bool { return !f(&c) })
	clear(b.at)
	for i := range b.contacts {
		b.at[b.contacts[i].id] = i
	}
}

// build makes the changes of a batch: contacts, then what hangs below them, listed
// completely for each of them.
func (l *layout) build(b *bundle) []pipeline.Change {
	if b.size() == 0 {
		return nil
	}
	contacts := pipeline.Change{Table: l.contacts}
	transactions, connections, recordings := childrenIn(l.transactions), childrenIn(l.connections), childrenIn(l.recordings)
	changes := []*pipeline.Change{&contacts, &transactions, &connections, &recordings}
	reject := func(rejected []rejection) {
		for _, rej := range rejected {
			for _, change := range changes {
				if change.Table == rej.table {
					change.Rejected = append(change.Rejected, rej.Rejected)
				}
			}
		}
	}
	var parents [][]any
	for i := range b.contacts {
		c := &b.contacts[i]
		contacts.Rows = append(contacts.Rows, c.row)
		transactions.Rows = append(transactions.Rows, c.transactions...)
		connections.Rows = append(connections.Rows, c.connections...)
		recordings.Rows = append(recordings.Rows, c.recordings...)
		parents = append(parents, []any{c.id})
		reject(c.rejected)
	}
	reject(b.loose)
	contacts.Rejected = append(contacts.Rejected, b.unfetched()...)
	if len(b.vanished) > 0 {
		contacts.Scope = &pipeline.Scope{Columns: []string{"$id"}}
		for _, id := range b.gone() {
			contacts.Scope.Parents = append(contacts.Scope.Parents, []any{id})
		}
		parents = append(parents, contacts.Scope.Parents...)
	}
	built := []pipeline.Change{contacts}
	for _, change := range changes[1:] {
		if change.Scope.Parents = parents; len(parents) > 0 || len(change.Rejected) > 0 {
			built = append(built, *change)
		}
	}
	return built
}

// childrenIn is a change of a table whose rows hang below contacts.
func childrenIn(t *pipeline.Table) pipeline.Change {
	return pipeline.Change{Table: t, Scope: &pipeline.Scope{Columns: []string{"contact_id"}}}
}

// gone are the contacts that have vanished, in order.
func (b *bundle) gone() []string {
	ids := make([]string, 0, len(b.vanished))
	for id := range b.vanished {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// unfetched are contacts that were listed and cannot be brought.
func (b *bundle) unfetched() []pipeline.Rejected {
	rejected := slices.Clone(b.odd)
	for _, f := range b.failed {
		rejected = append(rejected, pipeline.Rejected{Key: f.id, Row: []any{f.id}, Reason: f.reason})
	}
	return rejected
}

// older tells whether a contact's version is below another. What is no number is not.
func older(version, than string) bool {
	if version == than {
		return false
	}
	a, ok := new(big.Int).SetString(version, 10)
	b, also := new(big.Int).SetString(than, 10)
	return ok && also && a.Cmp(b) < 0
}
