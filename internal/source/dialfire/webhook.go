package dialfire

import (
	"context"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"ferryman/internal/pipeline"
)

// webhook brings the transactions of contacts to which something has happened. Like a
// database it also lists what has changed: the end of a call may change a transaction
// long after it was fired, which the events need not tell. What this program has read
// is not fetched again; after its start, the changes of a day are, once. The receiver
// of the rows tells by their hash what is new.
func (r *run) webhook(ctx context.Context) error {
	r.decode, r.build = r.decodePostings, r.source.build
	r.source.memory.begin(r.after)
	r.doubt(ctx)
	if err := r.begin(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.list, r.events, r.changes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin gives the first cursor at once: what happens from now on is not missed even
// if the program ends before it has read anything.
func (r *run) begin(ctx context.Context) error {
	now, start := r.source.now(), r.config.Start
	fresh := r.place.fresh()
	if fresh && start.IsZero() {
		start = r.config.Resume
	}
	switch {
	case fresh && start.IsZero():
		start = now
	case !fresh && (start.IsZero() || !earlier(milli(start), r.place.Start)):
		return nil
	}
	r.place.Start = milli(start)
	r.place.Events = span{Through: r.place.Start}
	if fresh {
		r.place.Listed, r.place.Rechecked = now, now
	}
	r.progress.cover(r.place.Start)
	return r.emit(ctx, nil)
}

// decodePostings reads contacts whose transactions are rows of Postings.
func (r *run) decodePostings(data []byte) ([]contact, error) {
	contacts, err := decodeMarks(data)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(contacts))
	for i, c := range contacts {
		at[c.id] = i
	}
	table := r.source.postings
	err = decodePostings(data, r.config.Filter, func(p posting) error {
		if p.rejected != nil {
			contacts = append(contacts, contact{rejected: []rejection{{table, *p.rejected}}})
			return nil
		}
		if !r.config.History && firedBefore(p.fired, r.place.Start) {
			return nil
		}
		if i, ok := at[p.contactID]; ok {
			row := []any{p.contactID, p.fired, hex.EncodeToString(p.hash[:]), p.contact, string(p.transaction)}
			contacts[i].transactions = append(contacts[i].transactions, row)
		}
		return nil
	})
	return contacts, err
}

// firedBefore tells whether a transaction was fired before the start. One whose time
// cannot be read was not: it is rather sent than lost.
func firedBefore(fired string, start time.Time) bool {
	t, err := time.Parse(time.RFC3339Nano, fired)
	return err == nil && t.Before(start)
}

// decodeMarks reads what tells contacts and their states apart.
func decodeMarks(data []byte) (contacts []contact, err error) {
	shape := newShape(text("$id", "$md5", "$version")).identifier("$id")
	err = read(data, func(r *reader) error {
		if err := r.expect('[', "contacts"); err != nil {
			return err
		}
		return r.array(func() error {
			if r.d.PeekKind() != '{' {
				return r.d.SkipValue()
			}
			row := shape.newRow(r)
			if err := r.row(shape, row, nil); err != nil {
				return err
			}
			var c contact
			c.id, _ = row[0].(string)
			c.md5, _ = row[1].(string)
			c.version, _ = row[2].(string)
			contacts = append(contacts, c)
			return nil
		})
	})
	return contacts, err
}

// build makes the change of a batch.
func (s *Source) build(b *bundle) []pipeline.Change {
	change := pipeline.Change{Table: s.postings, Rejected: b.unfetched()}
	for _, c := range b.contacts {
		change.Rows = append(change.Rows, c.transactions...)
	}
	for _, rej := range b.loose {
		change.Rejected = append(change.Rejected, rej.Rejected)
	}
	if len(change.Rows)+len(change.Rejected) == 0 {
		return nil
	}
	return []pipeline.Change{change}
}

// query is what the list of events can leave out by itself.
func (f Filter) query() url.Values {
	query := url.Values{}
	if f.Kind != All {
		query.Set("type", "update")
	}
	if f.Kind == HIUpdatesOnly {
		query.Set("hi", "true")
	}
	comma := func(prefix string) bool { return strings.Contains(prefix, ",") }
	if len(f.Prefixes) > 0 && !slices.ContainsFunc(f.Prefixes, comma) {
		query.Set("tasks", strings.Join(f.Prefixes, ","))
	}
	return query
}
