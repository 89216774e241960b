package outbox

import (
	"context"
	"maps"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/db"
)

// turnTime bounds a transaction of a turn; one that is shared has a bound of its own.
const turnTime = 15 * time.Second

// turn notes results and claims what is due, in one transaction. So a delivery
// that is sent was claimed durably, and a claim costs no commit of its own.
type turn struct {
	d        *dispatcher
	results  []result
	doubtful []flight
	slots    int  // that may be claimed when the results are noted
	open     bool // the channel is served from now on
	again    bool // the last turn failed, maybe for what is in the store
	sender   int64
	tails    map[string]time.Time // of recipients, as they were; see putOff
	past     int                  // what is looked through beside the slots
	times    string               // what timesMark was at them

	// What the last run came to.
	now    time.Time
	ch     standing
	claims []flight
	more   bool // there may be more that is due
	crowd  bool // what is due was put off as far as the turn looked
	token  time.Time
	moved  map[string]time.Time // tails that have changed
	lost   []result             // of flights that others took over
	freed  []string             // channels where something may go now
	dead   []result             // dead letters
	known  int64                // attempts that were in the store already
}

// turn runs one and begins the attempts that it has claimed.
func (d *dispatcher) turn(s *serving, closing bool) {
	t := &turn{d: d, results: d.unnoted, doubtful: d.doubtful, tails: d.tails, past: d.past, times: d.times, open: !d.opened && !closing, again: d.refused > 0}
	var alive bool
	// After a turn that failed, only what is known is put right.
	if t.sender, alive = d.o.current(); alive && !closing && d.refused == 0 {
		t.slots = d.c.Concurrency - d.flying
	}
	err := d.o.commit(d.key, t.run)
	if err != nil {
		d.doubtful = append(d.doubtful, t.claims...)
		d.refuse(err)
		return
	}
	if d.refused > 0 {
		d.o.log.Info("the store takes it again", "channel", d.name)
	}
	d.doubtful, d.opened = nil, d.opened || t.open
	d.refused = 0
	d.refusals.Store(0)
	clear(d.unnoted)
	d.unnoted = d.unnoted[:0]
	t.tell()
	d.token = t.token
	d.keepTails(t)
	d.launch(s, t.claims)
	switch {
	case closing:
	case t.more:
		d.next = t.now
	default:
		d.look()
		// It was due and not to be had; what has become due since is not meant.
		if !d.next.IsZero() && len(t.claims) == 0 && !d.next.After(t.now) {
			d.next = d.o.db.Now().Add(again)
		}
	}
}

// keepTails keeps in mind what a turn has put off, and forgets what does not
// matter any more. It may forget anything: what is put off to a time that is
// taken is put off again then.
func (d *dispatcher) keepTails(t *turn) {
	if t.tails == nil {
		clear(d.tails)
	}
	maps.Copy(d.tails, t.moved)
	d.times, d.past = t.times, lookPast
	if t.crowd {
		d.past = min(4*t.past, lookFarthest)
	}
	if len(d.tails) <= tailMost {
		return
	}
	maps.DeleteFunc(d.tails, func(_ string, tail time.Time) bool { return !tail.After(t.now) })
	for recipient := range d.tails {
		if len(d.tails) <= tailMost/2 {
			return
		}
		delete(d.tails, recipient)
	}
}

// commit runs fn in a transaction. On SQLite it shares the commit with whoever
// writes at the same time; PostgreSQL does that itself.
func (o *Outbox) commit(key int64, fn func(context.Context, *db.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), turnTime)
	defer cancel()
	if o.db.Dialect() == db.SQLite {
		// It must have ended when Group returns: so ctx must not end the wait.
		return o.db.Group(context.WithoutCancel(ctx), key, fn)
	}
	return o.db.Tx(ctx, func(tx *db.Tx) error { return fn(ctx, tx) })
}

// run is the transaction. It may run more than once.
func (t *turn) run(ctx context.Context, tx *db.Tx) error {
	t.now = tx.Now()
	t.claims, t.lost, t.freed, t.dead, t.known = nil, nil, nil, nil, 0
	t.more, t.crowd, t.token, t.moved = false, false, time.Time{}, map[string]time.Time{}
	if err := lockOrder(ctx, tx, t.orderKeys()); err != nil {
		return err
	}
	if err := t.unclaim(ctx, tx); err != nil {
		return err
	}
	if err := t.stand(ctx, tx); err != nil {
		return err
	}
	if err := t.note(ctx, tx); err != nil {
		return err
	}
	if err := t.claim(ctx, tx); err != nil {
		return err
	}
	return t.ch.store(ctx, tx, t.d.name)
}

// tell logs what people should know, and wakes others.
func (t *turn) tell() {
	log := t.d.o.log
	if t.ch.blocked {
		log.Error("the channel is paused: mend the reason, and restart or ferryman outbox resume", "channel", t.d.name, "reason", t.ch.reason)
	}
	if t.ch.tripped {
		log.Warn("the other side is in trouble: the channel rests", "channel", t.d.name, "until", t.ch.heldUntil)
	}
	for _, r := range t.dead {
		log.WarnContext(trace.ContextWithSpanContext(context.Background(), r.span), "a delivery has failed for good", "channel", t.d.name, "delivery", r.ID, "attempt", r.Attempt, "code", r.Code)
	}
	for _, r := range t.lost {
		log.WarnContext(trace.ContextWithSpanContext(context.Background(), r.span), "an attempt was taken over before its result could be noted", "channel", t.d.name, "delivery", r.ID, "attempt", r.Attempt, "outcome", string(r.Verdict))
	}
	if t.known > 0 {
		log.Error("attempts were in the store already: they stay as they are", "channel", t.d.name, "attempts", t.known)
	}
	for _, name := range t.freed {
		if name != t.d.name {
			t.d.o.Wake(name)
		}
	}
}

// launch begins the attempts of what was claimed.
func (d *dispatcher) launch(s *serving, claims []flight) {
	sender, alive := d.o.current()
	for _, f := range claims {
		f.UID = s.store + "_" + strconv.FormatInt(f.ID, 10)
		r := result{flight: f, at: d.o.db.Now(), over: time.Now(), unsent: true}
		d.flying++
		switch {
		case !alive || f.sender != sender: // it took too long: others may have it, also if this process has begun anew
			d.change(func() { d.done = append(d.done, r) })
		case f.counted() > d.c.Backoff.attempts(): // there were more by what held before
			r.Outcome = Outcome{Verdict: Rejected, Code: codeExhausted, Detail: "it has had as many attempts as the channel makes"}
			d.change(func() { d.done = append(d.done, r) })
		default:
			go d.attempt(s, f)
		}
	}
}

// unclaim takes back claims whose transaction may have failed, or not: they were
// not sent. The time of the claim tells them from those of a later turn.
func (t *turn) unclaim(ctx context.Context, tx *db.Tx) error {
	if len(t.doubtful) == 0 {
		return nil
	}
	rows := make([][]any, len(t.doubtful))
	for i, f := range t.doubtful {
		rows[i] = []any{f.ID, f.sender, f.claimed.UnixMicro()}
	}
	list, err := listed(rows)
	if err != nil {
		return err
	}
	// Their transaction may be about to end still, and its claims are not to be seen before.
	if lock := tx.ForUpdate(); lock != "" {
		rows, err := tx.Query(ctx, "SELECT d.id FROM deliveries d WHERE d.id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM "+few(tx)+") ORDER BY d.id"+lock, list)
		if err == nil {
			_, err = db.Collect(rows, func(r *db.Rows) (id int64, err error) { return id, r.Scan(&id) })
		}
		if err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		UPDATE deliveries SET state = 0, due_at = `+notAhead+`,
			attempts = attempts - 1, sender_id = NULL, claimed_at = NULL FROM `+few(tx)+`
		WHERE deliveries.id = CAST(v.value->>0 AS BIGINT) AND sender_id = CAST(v.value->>1 AS BIGINT) AND claimed_at = CAST(v.value->>2 AS BIGINT) AND state = 1`, list, db.Time{Time: tx.Now()})
	return err
}

// orderKeys are those that results may settle.
func (t *turn) orderKeys() (keys []orderKey) {
	for _, r := range t.results {
		if r.orderKey != "" {
			keys = append(keys, orderKey{t.d.name, r.orderKey})
		}
	}
	return keys
}
