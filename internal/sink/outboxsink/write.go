package outboxsink

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
)

// One call of the outbox is given so much at a time: each item is in memory with a
// contact of its own, and a statement has a bound.
const (
	itemsMost = 1000
	bytesMost = 32 << 20
)

// table is what a batch is counted as.
const table = "transactions"

// writing is one batch on its way into the store.
type writing struct {
	sink  *Sink
	in    intake
	whole bool

	// What the transaction came to.
	cursor  pipeline.Cursor
	count   pipeline.TableCount
	added   int
	refused []refusal
}

// change is a transaction that is to be posted.
type change struct {
	*posting
	state string
	nth   int // of its posts
}

// run is the transaction.
func (w *writing) run(ctx context.Context, tx *db.Tx, next pipeline.Cursor) error {
	id, cursor, err := w.sink.move(ctx, tx, next)
	if err != nil {
		return err
	}
	w.cursor, w.refused = cursor, slices.Clip(w.in.refused)
	w.count = pipeline.TableCount{Table: table, Read: w.in.read, Bytes: w.in.bytes}
	changes, memories, err := w.compare(ctx, tx, id)
	if err != nil {
		return err
	}
	w.count.Rejected = int64(len(w.refused))
	if w.whole && len(w.refused) > 0 {
		r := w.refused[0]
		return &fault.Error{
			Kind: fault.Invalid, Code: "webhook_refused_row",
			Detail: fmt.Sprintf("the transaction of contact %.100q at %.100q cannot be posted: %.500s", r.contact, r.fired, r.reason),
		}
	}
	if err := w.add(ctx, tx, changes); err != nil {
		return err
	}
	if err := w.bury(ctx, tx); err != nil {
		return err
	}
	w.count.Written = w.count.Inserted + w.count.Updated
	return w.sink.remember(ctx, tx, id, memories)
}

// compare tells what is to be posted from what was, and what is to be remembered.
func (w *writing) compare(ctx context.Context, tx *db.Tx, pipeline int64) (changes []change, memories []remembered, err error) {
	keys := make([]string, len(w.in.postings))
	for i := range w.in.postings {
		keys[i] = w.in.postings[i].key
	}
	known, err := w.sink.recall(ctx, tx, pipeline, keys)
	if err != nil {
		return nil, nil, err
	}
	for i := range w.in.postings {
		p, m := &w.in.postings[i], known[i]
		hash := string(digest(p.hash))
		if m.hash == hash {
			w.count.Unchanged++
			continue
		}
		m.hash = hash
		if size := p.payload.size(); size > payloadMost {
			w.refused = append(w.refused, refusal{
				p.contact, p.fired, "payload_too_large", fmt.Sprintf("it has %d bytes, more than %d", size, payloadMost),
				w.dedupe(p, "refused", m.posted),
			})
		} else {
			state := stateUpdated
			if m.posted == 0 {
				state = stateNew
			}
			m.posted++
			changes = append(changes, change{p, state, m.posted})
		}
		memories = append(memories, remembered{p.key, m})
	}
	return changes, memories, nil
}

// dedupe is what no other delivery of the pipeline has: a transaction that changes
// back has been posted once more often by then.
func (w *writing) dedupe(p *posting, what string, nth int) []byte {
	return digest(w.sink.o.Pipeline, what, p.key, p.hash, strconv.Itoa(nth))
}

// add gives changes to the outbox, in their order.
func (w *writing) add(ctx context.Context, tx *db.Tx, changes []change) error {
	first := true
	for len(changes) > 0 {
		n := fitting(changes)
		if first && n < len(changes) {
			if err := w.lock(ctx, tx, changes); err != nil {
				return err
			}
		}
		if err := w.addSome(ctx, tx, changes[:n]); err != nil {
			return err
		}
		changes, first = changes[n:], false
	}
	return nil
}

// fitting is how many of the changes go at a time; at least 1.
func fitting(changes []change) int {
	n, bytes := 0, 0
	for n < len(changes) && n < itemsMost {
		if bytes += changes[n].payload.size(); bytes > bytesMost && n > 0 {
			break
		}
		n++
	}
	return n
}

// lock is for a batch that needs several calls of the outbox.
func (w *writing) lock(ctx context.Context, tx *db.Tx, changes []change) error {
	if w.sink.o.AnyOrder {
		return nil
	}
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.contact
	}
	return w.sink.box.LockOrder(ctx, tx, w.sink.o.Channel, keys)
}

func (w *writing) addSome(ctx context.Context, tx *db.Tx, changes []change) error {
	items := make([]outbox.Item, len(changes))
	for i, c := range changes {
		items[i] = outbox.Item{
			Topic: outbox.Contact, Channel: w.sink.o.Channel, Recipient: c.contact,
			Payload: c.payload.with(c.state), Dedupe: w.dedupe(c.posting, "posted", c.nth), OrderKey: c.contact,
		}
		if w.sink.o.AnyOrder {
			items[i].OrderKey = ""
		}
	}
	// What is taken is there from before the store forgot that it was posted.
	ids, _, err := w.sink.box.Add(ctx, tx, items, outbox.Skip)
	if err != nil {
		return err
	}
	for i, id := range ids {
		switch {
		case id == 0:
			w.count.Unchanged++
		case changes[i].state == stateNew:
			w.count.Inserted++
			w.added++
		default:
			w.count.Updated++
			w.added++
		}
	}
	return nil
}
