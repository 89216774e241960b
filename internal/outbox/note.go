package outbox

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ferryman/internal/db"
)

// Codes of attempts that end without an answer of the other side's.
const (
	codeUncertain   = "uncertain"   // and Options.Hold keeps it
	codeInterrupted = "interrupted" // its sender died
	codeExhausted   = "attempts_exhausted"
)

// uncertainMost is how often one delivery may have arrived without anybody knowing.
const uncertainMost = 3

const (
	lastErrorMost = 500 // bytes
	nameMost      = 200 // bytes of a code or reference
)

// note stores what became of attempts, as far as they are still this sender's.
func (t *turn) note(ctx context.Context, tx *db.Tx) error {
	if len(t.results) == 0 {
		return nil
	}
	// Of two attempts at one delivery the earlier was taken over, or the later could not
	// have been claimed.
	latest := make(map[int64]int, len(t.results))
	for _, r := range t.results {
		latest[r.ID] = max(latest[r.ID], r.Attempt)
	}
	ends := make([]ending, len(t.results))
	rows := make([][]any, 0, len(t.results))
	for i, r := range t.results {
		ends[i] = t.settle(r)
		if r.Attempt == latest[r.ID] {
			rows = append(rows, ends[i].row(r))
		}
		t.ch.learn(r, t.now)
	}
	own, err := noteDeliveries(ctx, tx, rows)
	if err != nil {
		return err
	}
	var attempts [][]any
	var totals Totals
	var settled []orderKey
	rests := map[string]time.Time{}
	for i, r := range t.results {
		if r.Rest == TheRecipient && r.RetryAfter > 0 && t.d.c.Recipient != nil {
			if until := t.now.Add(min(r.RetryAfter, restsMost)); rests[r.Recipient].Before(until) {
				rests[r.Recipient] = until
			}
		}
		if !own[r.ID] || r.Attempt != latest[r.ID] {
			t.lost = append(t.lost, r)
			continue
		}
		e := ends[i]
		totals.count(e.state, r.Verdict, r.unsent)
		if e.state == Failed {
			t.dead = append(t.dead, r)
		}
		if e.state != Waiting && r.orderKey != "" {
			settled = append(settled, orderKey{t.d.name, r.orderKey})
		}
		if !r.unsent {
			attempts = append(attempts, []any{r.ID, r.Attempt, r.at.UnixMicro(), r.took.Microseconds(), r.Verdict, r.Status, r.Code, r.Detail})
		}
	}
	if t.known, err = noteAttempts(ctx, tx, attempts, t.again); err != nil {
		return err
	}
	if err := addToTotals(ctx, tx, t.d.name, t.sender, totals); err != nil {
		return err
	}
	if t.freed, err = release(ctx, tx, settled); err != nil {
		return err
	}
	return t.restRecipients(ctx, tx, rests)
}

// count counts an attempt and what it led to.
func (n *Totals) count(s State, v Verdict, unsent bool) {
	switch s {
	case Sent:
		n.Sent++
	case Failed:
		n.Failed++
	case Expired:
		n.Expired++
	case Waiting:
		if v == Retry && !unsent {
			n.Retried++
		}
	default: // an attempt leads to nothing else
	}
	if v == Uncertain {
		n.Uncertain++
	}
}

// noteDeliveries ends claims and gives the ids of those that were still held: by the
// same sender, and for the same attempt, since a sender may come to claim anew what was
// taken from it. A row is ending.row's, and of each delivery there is one at most.
func noteDeliveries(ctx context.Context, tx *db.Tx, rows [][]any) (own map[int64]bool, err error) {
	list, err := listed(rows)
	if err != nil {
		return nil, err
	}
	answer, err := tx.Query(ctx, `
		UPDATE deliveries SET state = CAST(v.value->>2 AS INTEGER), due_at = coalesce(CAST(v.value->>3 AS BIGINT), due_at), ended_at = CAST(v.value->>4 AS BIGINT),
			last_error = coalesce(v.value->>5, last_error), reference = coalesce(v.value->>6, reference),
			spared = spared + CAST(v.value->>7 AS BIGINT), attempts = attempts - CAST(v.value->>8 AS BIGINT),
			uncertain = uncertain + CAST(v.value->>9 AS BIGINT), sender_id = NULL, claimed_at = NULL
		FROM `+few(tx)+`
		WHERE deliveries.id = CAST(v.value->>0 AS BIGINT) AND sender_id = CAST(v.value->>1 AS BIGINT)
			AND attempts = CAST(v.value->>10 AS BIGINT) AND state = 1
		RETURNING deliveries.id`, list)
	if err != nil {
		return nil, err
	}
	ids, err := db.Collect(answer, func(r *db.Rows) (id int64, err error) {
		err = r.Scan(&id)
		return id, err
	})
	own = make(map[int64]bool, len(ids))
	for _, id := range ids {
		own[id] = true
	}
	return own, err
}

// noteAttempts stores attempts: delivery, number, begin, duration or nil, verdict,
// status, code and detail. If some may be there already, which stay as they are, it
// tells how many are: none should be, but one must not hold up all others for ever. To
// allow for it costs a little each time.
func noteAttempts(ctx context.Context, tx *db.Tx, rows [][]any, known bool) (already int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	list, err := listed(rows)
	if err != nil {
		return 0, err
	}
	leave := ""
	if known {
		leave = " WHERE TRUE ON CONFLICT (delivery_id, n) DO NOTHING"
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO attempts (delivery_id, n, at, took, outcome, status, code, detail)
		SELECT CAST(v.value->>0 AS BIGINT), CAST(v.value->>1 AS BIGINT), CAST(v.value->>2 AS BIGINT), CAST(v.value->>3 AS BIGINT),
			v.value->>4, CAST(v.value->>5 AS BIGINT), v.value->>6, v.value->>7
		FROM json_each($1) AS v`+leave, list)
	return int64(len(rows)) - n, err
}

// ending is what an attempt leads to.
type ending struct {
	state     State
	due       time.Time // of the next attempt; zero: as it was
	ended     time.Time // zero: not yet
	lastError string    // "": as it was
	reference string    // likewise
	spared    int
	undone    int // attempts that never were
	uncertain int // attempts that are
}

func (e ending) row(r result) []any {
	return []any{r.ID, r.sender, int(e.state), microsOf(e.due), microsOf(e.ended), filled(e.lastError), filled(e.reference), e.spared, e.undone, e.uncertain, r.Attempt}
}

func microsOf(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func filled(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// settle says what a result leads to.
func (t *turn) settle(r result) ending {
	e := ending{state: Waiting, reference: r.Reference}
	if r.Verdict != Accepted {
		e.lastError = r.lastError()
	}
	if r.unsent {
		e.undone = 1
	}
	if r.Verdict == Uncertain {
		e.uncertain = 1
	}
	switch {
	case r.Verdict == Accepted:
		e.state, e.ended = Sent, t.now
	case r.Verdict == Rejected:
		e.state, e.ended = Failed, t.now
	case r.unsent:
		e.lastError = ""
		if r.due.After(t.now) { // the clock has gone back
			e.due = t.now
		}
	case r.Verdict == Blocked:
		e.due, e.spared = t.now, 1
	case r.Verdict == Uncertain && t.d.gives(r.flight):
		e.state, e.ended, e.lastError = Failed, t.now, held(e.lastError)
	case !t.spares(r) && r.counted() >= t.d.c.Backoff.attempts():
		e.state, e.ended = Failed, t.now
	default:
		if t.spares(r) {
			e.spared = 1
		}
		// The other side knows when it may be asked again, not how often it was in vain.
		pause := max(min(r.RetryAfter, restsMost), t.d.c.Backoff.pause(r.counted()))
		e.due = ceilMicro(t.now.Add(pause))
		if !r.expires.IsZero() && !e.due.Before(r.expires) {
			e.state, e.due, e.ended = Expired, time.Time{}, t.now
		}
	}
	return e
}

// spares tells whether an attempt does not count, since the channel was known to
// be in trouble. What may have arrived always counts: it must not come for ever.
func (t *turn) spares(r result) bool {
	return t.d.c.Patient && r.Verdict == Retry && r.Trouble && (r.probe || t.ch.troubles >= tripsAt) && r.spared < sparedMost
}

// gives tells whether what has become uncertain is left to a person: at once if
// that is asked for, and otherwise before it may have arrived too often.
func (d *dispatcher) gives(f flight) bool {
	return d.holds() || !d.c.Repeatable && f.uncertain >= uncertainMost-1
}

// holds tells whether what is uncertain is kept for a person.
func (d *dispatcher) holds() bool { return d.o.o.Hold && !d.c.Repeatable }

// held is the last error of what is kept because it is uncertain.
func held(lastError string) string {
	if lastError == codeUncertain || strings.HasPrefix(lastError, codeUncertain+": ") {
		return lastError
	}
	return clip(codeUncertain+": "+lastError, lastErrorMost)
}

// lastError is the outcome in a line: its code, and what was said.
func (o Outcome) lastError() string {
	s := o.Code
	if o.Detail != "" {
		s += ": " + o.Detail
	}
	return clip(s, lastErrorMost)
}

// storable is the outcome with what both databases can hold.
func (o Outcome) storable() Outcome {
	switch o.Verdict {
	case Accepted, Retry, Rejected, Blocked, Uncertain:
	default:
		o.Verdict, o.Code = Uncertain, "no_verdict"
	}
	if o.Code == "" && o.Verdict != Accepted {
		o.Code = string(o.Verdict)
		if o.Status != 0 {
			o.Code = "http_" + strconv.Itoa(o.Status)
		}
	}
	o.Code, o.Reference, o.Detail = clip(o.Code, nameMost), clip(o.Reference, nameMost), clip(o.Detail, MaxDetail)
	return o
}

// clip makes s valid text without null characters, of at most so many bytes.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
