package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/span"
)

const (
	// Small lists share transactions; a large one would only hold the others up.
	maxShared    = 100
	conflictTry  = 3
	codeConflict = "store_conflict"
)

// PostJSON is Decode and Post in one, and tells of each item whether it is there
// already even if something is wrong with others. With the answer it gives what of
// the stored messages was ignored and seems to be misspelt.
func (m *Messages) PostJSON(ctx context.Context, body []byte, key string) (answer []byte, ignored []Slip, err error) {
	l, err := decode(body)
	switch {
	case err != nil:
		return nil, nil, err
	case l.wrong == nil:
		answer, err = m.Post(ctx, l.messages, key)
		return answer, l.slips, err
	}
	good, at := l.good()
	taken, err := m.taken(ctx, good)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range taken {
		l.refuse(at[i], faults{{whole, []string{notUnique}}})
	}
	return nil, nil, refusalOf(l.wrong)
}

// Post stores all messages, or none if one is there already or twice in the list:
// that is a *Refusal. The answer is the JSON list of what is stored.
//
// With a key, the same list posted again within a day gives the first answer, and
// another list with that key a fault of kind Unprocessable. A call waits for one
// under way with the same key. What was refused may be tried again with its key.
func (m *Messages) Post(ctx context.Context, messages []Message, key string) (answer []byte, err error) {
	k, err := newKey(key, messages)
	if err != nil {
		return nil, err
	}
	if len(messages) == 0 && k == nil {
		return []byte("[]"), nil
	}
	items := itemsOf(messages)
	ctx, s := span.Start(ctx, "accept messages", trace.WithSpanKind(trace.SpanKindProducer))
	defer func() { endSpan(s, items, err) }()
	asked := trace.SpanContextFromContext(ctx)
	var ids []int64
	var taken []int
	err = m.transact(ctx, items, k, func(ctx context.Context, tx *db.Tx) error {
		ids, taken = nil, nil
		if k != nil {
			var err error
			if ids, err = k.claim(ctx, tx, len(messages)); err != nil || ids != nil {
				return err
			}
		}
		var err error
		ctx = trace.ContextWithSpanContext(ctx, asked) // it may be that of many
		if ids, taken, err = m.outbox.Add(ctx, tx, items, outbox.Refuse); err != nil || k == nil {
			return err
		}
		if len(taken) > 0 {
			return k.release(ctx, tx)
		}
		return k.keep(ctx, tx, ids)
	})
	if err != nil {
		return nil, fmt.Errorf("store messages: %w", err)
	}
	if k != nil && k.reused {
		return nil, errReused
	}
	if len(taken) > 0 {
		return nil, notUniqueAt(len(messages), taken)
	}
	m.outbox.Wake(channelsOf(messages)...)
	return answerOf(messages, ids), nil
}

// transact runs fn in a transaction. Equal posts stand in one line.
func (m *Messages) transact(ctx context.Context, items []outbox.Item, k *key, fn func(context.Context, *db.Tx) error) error {
	if len(items) <= maxShared {
		return m.db.Group(ctx, lineOf(items, k), fn)
	}
	for try := 1; ; try++ {
		err := m.db.Tx(ctx, func(tx *db.Tx) error { return fn(ctx, tx) })
		if try == conflictTry || fault.CodeOf(err) != codeConflict {
			return err
		}
	}
}

// lineOf is the same of lists of the same messages, in whatever order.
func lineOf(items []outbox.Item, k *key) int64 {
	from := make([]byte, 8)
	if k != nil {
		copy(from, k.hash)
	} else if len(items) > 0 {
		first := slices.MinFunc(items, func(a, b outbox.Item) int { return bytes.Compare(a.Dedupe, b.Dedupe) })
		copy(from, first.Dedupe)
	}
	return int64(binary.BigEndian.Uint64(from)) //nolint:gosec // any number will do
}

// taken tells which messages are there already, or earlier in the list.
func (m *Messages) taken(ctx context.Context, messages []Message) (taken []int, err error) {
	if len(messages) == 0 {
		return nil, nil
	}
	// Of a list in which one stands twice nothing is stored, and all that is taken is told.
	items := itemsOf(append(messages, messages[0]))
	err = m.transact(ctx, items, nil, func(ctx context.Context, tx *db.Tx) error {
		var err error
		_, taken, err = m.outbox.Add(ctx, tx, items, outbox.Refuse)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up messages: %w", err)
	}
	return taken[:len(taken)-1], nil
}

func notUniqueAt(n int, taken []int) *Refusal {
	items := make([]faults, n)
	for _, i := range taken {
		items[i] = faults{{whole, []string{notUnique}}}
	}
	return refusalOf(items)
}

func itemsOf(messages []Message) []outbox.Item {
	items := make([]outbox.Item, len(messages))
	for i, m := range messages {
		items[i] = outbox.Item{
			Topic: outbox.Message, Channel: m.Messenger.String(), Recipient: m.UserID, Payload: m.Text, Dedupe: dedupe(m.Text),
			StartAt: m.StartAt, ExpiresAt: m.ExpiresAt,
		}
	}
	return items
}

// dedupe is what is the same of equal texts: recipient and channel stand beside it.
func dedupe(text string) []byte {
	hash := sha256.Sum256(append([]byte{byte(outbox.Message)}, text...))
	return hash[:16]
}

func channelsOf(messages []Message) (channels []string) {
	for m := Viber; m <= WhatsApp; m++ {
		if slices.ContainsFunc(messages, func(one Message) bool { return one.Messenger == m }) {
			channels = append(channels, m.String())
		}
	}
	return channels
}

func answerOf(messages []Message, ids []int64) []byte {
	const besides = 128 // what stands around a message's texts, at most, if nothing is escaped
	size := 2
	for i := range messages {
		size += len(messages[i].UserID) + len(messages[i].Text) + besides
	}
	b := append(make([]byte, 0, size), '[')
	for i, m := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = m.appendJSON(b, ids[i])
	}
	return append(b, ']')
}
