package outbox

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/span"
)

// Add stores items in tx and gives their ids, rising in the order of the items,
// with 0 for one that is not stored. taken are the positions of items whose dedupe
// a delivery that is stored already, or an earlier item, has. Call Wake once tx
// is committed.
//
// On PostgreSQL it waits for transactions that are adding the same; if they are
// undone, nothing is taken. A delivery remembers the span of ctx, to which its
// attempts are linked. Add all of a transaction by one call: two that call
// twice may stand against each other.
func (o *Outbox) Add(ctx context.Context, tx *db.Tx, items []Item, ifTaken IfTaken) (ids []int64, taken []int, err error) {
	a := adding{items: items, ids: make([]int64, len(items)), refuses: ifTaken == Refuse, asked: text(span.Traceparent(ctx))}
	a.tell()
	if len(a.first) == 0 {
		return a.ids, a.taken, nil
	}
	keys := a.orderKeys()
	if err := lockOrder(ctx, tx, keys); err != nil {
		return nil, nil, err
	}
	add := a.addEach
	if o.db.Dialect() == db.Postgres {
		add = a.addAll
	}
	if err := add(ctx, tx); err != nil {
		return nil, nil, fmt.Errorf("add deliveries: %w", err)
	}
	slices.Sort(a.taken)
	if a.refused() {
		clear(a.ids)
		return a.ids, a.taken, nil
	}
	// What is in an order was stored as Behind: so it needs no look at the others.
	if _, err := release(ctx, tx, keys); err != nil {
		return nil, nil, err
	}
	return a.ids, a.taken, nil
}

// adding is a list on its way into the store.
type adding struct {
	items   []Item
	first   []int // positions of the items that no earlier one is equal to
	refuses bool
	asked   *string // the traceparent of who adds; nil: not traced

	ids   []int64
	taken []int
}

// refused tells whether nothing shall be stored.
func (a *adding) refused() bool { return a.refuses && len(a.taken) > 0 }

// tell tells the items apart.
func (a *adding) tell() {
	type unique struct{ recipient, channel, dedupe string }
	seen := make(map[unique]bool, len(a.items))
	a.first = make([]int, 0, len(a.items))
	for i := range a.items {
		it := &a.items[i]
		if it.Dedupe != nil {
			key := unique{it.Recipient, it.Channel, string(it.Dedupe)}
			if seen[key] {
				a.taken = append(a.taken, i)
				continue
			}
			seen[key] = true
		}
		a.first = append(a.first, i)
	}
}

// orderKeys are the keys of all items that have one.
func (a *adding) orderKeys() []orderKey {
	var keys []orderKey
	seen := map[orderKey]bool{}
	for i := range a.items {
		key := orderKey{a.items[i].Channel, a.items[i].OrderKey}
		if key.key != "" && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// addEach stores the items one by one: SQLite is in the process, and a statement
// that is compiled costs less than reading the values out of JSON. Nobody else
// writes meanwhile, so what was stored can be undone.
func (a *adding) addEach(ctx context.Context, tx *db.Tx) error {
	var before int64
	const sequence = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'), 0)"
	if err := tx.QueryRow(ctx, sequence).Scan(&before); err != nil {
		return err
	}
	last, now, passed := before, tx.Now(), false
	var column, value string // each value that is bound costs something
	var traced []any
	if a.asked != nil {
		column, value, traced = ", traceparent", ", $11", []any{*a.asked}
	}
	query := `
		INSERT INTO deliveries (id, state, topic, channel, recipient, payload, dedupe, order_key, start_at, due_at, expires_at, created_at` + column + `)
		VALUES ($1, CASE WHEN $7 IS NULL THEN 0 ELSE 2 END, $2, $3, $4, $5, $6, $7, $8, coalesce(max($8, $10), $10), $9, $10` + value + `)
		ON CONFLICT (recipient, channel, dedupe) DO NOTHING`
	for _, i := range a.first {
		it := &a.items[i]
		if a.refused() { // only tell which others are taken
			var is bool
			err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM deliveries WHERE recipient = $1 AND channel = $2 AND dedupe = $3)",
				it.Recipient, it.Channel, blob(it.Dedupe)).Scan(&is)
			if err != nil {
				return err
			}
			if is {
				a.taken = append(a.taken, i)
			}
			continue
		}
		args := append([]any{
			last + 1, int(it.Topic), it.Channel, it.Recipient, it.Payload, blob(it.Dedupe), text(it.OrderKey),
			micros(it.StartAt), micros(it.ExpiresAt), now.UnixMicro(),
		}, traced...)
		n, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		if n == 0 {
			a.taken, passed = append(a.taken, i), true
			continue
		}
		last++
		a.ids[i] = last
	}
	if !passed {
		return nil
	}
	if a.refused() {
		if _, err := tx.Exec(ctx, "DELETE FROM deliveries WHERE id > $1", before); err != nil {
			return err
		}
		last = before
	}
	// The sequence counts what was not stored, too.
	_, err := tx.Exec(ctx, "UPDATE sqlite_sequence SET seq = $1 WHERE name = 'deliveries'", last)
	return err
}

// What addAll may store.
const (
	storeNone  = 0 // tell only what is taken
	storeAll   = 1 // all or none
	storeOther = 2 // what is not taken
)

// itemColumns are an item's: rank is its place among what is unique, and position
// that in the list.
const itemColumns = "v.position, v.rank, v.topic, v.channel, v.recipient, v.payload, v.dedupe, v.order_key, v.start_at, v.expires_at"

// addAll stores the items by one statement. Each waits for those that are adding
// the same, so they go in the order of what makes them unique: two lists never
// wait for each other.
func (a *adding) addAll(ctx context.Context, tx *db.Tx) error {
	slices.SortFunc(a.first, func(i, j int) int {
		x, y := &a.items[i], &a.items[j]
		return cmp.Or(cmp.Compare(x.Recipient, y.Recipient), cmp.Compare(x.Channel, y.Channel), bytes.Compare(x.Dedupe, y.Dedupe), i-j)
	})
	n := len(a.first)
	positions, topics := make([]int64, n), make([]int64, n)
	channels, recipients, payloads := make([]string, n), make([]string, n), make([]string, n)
	dedupes, orders := make([][]byte, n), make([]*string, n)
	starts, ends := make([]*int64, n), make([]*int64, n)
	for k, i := range a.first {
		it := &a.items[i]
		positions[k], topics[k] = int64(i), int64(it.Topic)
		channels[k], recipients[k], payloads[k] = it.Channel, it.Recipient, it.Payload
		dedupes[k], orders[k] = it.Dedupe, text(it.OrderKey)
		starts[k], ends[k] = micros(it.StartAt), micros(it.ExpiresAt)
	}
	store := storeOther
	switch {
	case a.refused():
		store = storeNone
	case a.refuses:
		store = storeAll
	}
	var taken, placed, given, lost string
	err := tx.QueryRow(ctx, `
		WITH item AS MATERIALIZED (
			SELECT `+itemColumns+`, (SELECT d.id FROM deliveries d
				WHERE d.recipient = v.recipient AND d.channel = v.channel AND d.dedupe = v.dedupe LIMIT 1) IS NOT NULL AS taken
			FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS BIGINT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS TEXT[]),
				CAST($6 AS BYTEA[]), CAST($7 AS TEXT[]), CAST($8 AS BIGINT[]), CAST($9 AS BIGINT[])) WITH ORDINALITY
				AS v (position, topic, channel, recipient, payload, dedupe, order_key, start_at, expires_at, rank)
		), placed AS MATERIALIZED (
			SELECT nextval('deliveries_id_seq') AS id, `+itemColumns+` FROM (
				SELECT `+itemColumns+` FROM item AS v WHERE NOT taken AND ($10 = 2 OR $10 = 1 AND NOT EXISTS (SELECT 1 FROM item WHERE taken)) ORDER BY position) AS v
		), stored AS (
			INSERT INTO deliveries (id, state, topic, channel, recipient, payload, dedupe, order_key, start_at, due_at, expires_at, created_at, traceparent)
			SELECT id, CASE WHEN order_key IS NULL THEN 0 ELSE 2 END, topic, channel, recipient, payload, dedupe, order_key,
				start_at, greatest(start_at, $11), expires_at, $11, CAST($12 AS TEXT)
			FROM placed ORDER BY rank
			ON CONFLICT (recipient, channel, dedupe) DO NOTHING RETURNING id
		)
		SELECT coalesce((SELECT string_agg(CAST(position AS TEXT), ' ') FROM item WHERE taken), ''),
			coalesce(string_agg(CAST(position AS TEXT), ' ' ORDER BY position), ''),
			coalesce(string_agg(CAST(id AS TEXT), ' ' ORDER BY position), ''),
			coalesce(string_agg(CAST(position AS TEXT), ' ') FILTER (WHERE id NOT IN (SELECT id FROM stored)), '')
		FROM placed`,
		positions, topics, channels, recipients, payloads, dedupes, orders, starts, ends, store, tx.Now().UnixMicro(), a.asked,
	).Scan(&taken, &placed, &given, &lost)
	if err != nil {
		return err
	}
	at, ids, mine := numbers(placed), numbers(given), make([]int64, 0, n)
	for k, i := range at {
		a.ids[i] = ids[k]
	}
	// Others were faster with these: they were not there when the statement began.
	for _, i := range numbers(lost) {
		a.ids[i] = 0
		a.taken = append(a.taken, int(i))
	}
	for _, i := range numbers(taken) {
		a.taken = append(a.taken, int(i))
	}
	if lost == "" || !a.refused() {
		return nil
	}
	for _, id := range a.ids {
		if id != 0 {
			mine = append(mine, id)
		}
	}
	_, err = tx.Exec(ctx, "DELETE FROM deliveries WHERE id = ANY($1)", mine)
	return err
}

// numbers reads numbers separated by blanks, as the store has written them.
func numbers(s string) []int64 {
	var all []int64
	for field := range strings.FieldsSeq(s) {
		n, _ := strconv.ParseInt(field, 10, 64)
		all = append(all, n)
	}
	return all
}

// text is NULL if it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// blob is NULL if it is nil: SQLite's driver would take it for an empty one.
func blob(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// micros is a time in the store, NULL if there is none. Unlike db.Time it takes the
// first moment of the year 1.
func micros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	us := t.UnixMicro()
	return &us
}
