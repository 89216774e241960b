package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ferryman/internal/db"
	"ferryman/internal/span"
)

// MessageType is the level of a message.
type MessageType string

// The message types.
const (
	Info      MessageType = "info"
	Succeeded MessageType = "success"
	Warning   MessageType = "warning"
	Error     MessageType = "error"
)

// Valid tells whether t is one of the four.
func (t MessageType) Valid() bool {
	return t == Info || t == Succeeded || t == Warning || t == Error
}

// Bounds of messages. What is over them is cut or dropped, and counted.
const (
	MaxMessage  = 64 << 10 // bytes of one; the end of a longer one is kept
	MaxMessages = 1000     // in one call

	keptEach  = 2500        // messages that are kept from the beginning, and as many from the end
	keptBytes = 5 << 20 / 2 // bytes likewise

	lateMessages = 24 * time.Hour // after the end
)

// Message is a line that an execution has to say. Times are UTC.
type Message struct {
	ID         int64
	Type       MessageType
	Text       string
	At         time.Time // when it was said; when it was received if nobody told
	ReceivedAt time.Time
	Truncated  bool // only its end was kept
	Late       bool // it came after the execution's end
	Ending     bool // it came with the end
	Dropped    bool // it was counted and not kept

	DroppedSoFar int64 // messages of the execution that are not kept; only Say gives it
}

// kept is which messages of an execution are kept: the first ones, and the last.
type kept struct {
	head, headBytes int64
	tail            int64 // the first that is kept after the head; 0: all
	tailBytes       int64
}

// count gives how many of the received are kept.
func (k kept) count(received int64) int64 { return received - max(k.tail-1-k.head, 0) }

// Say adds messages of a running execution of app, or of one that ended less
// than a day ago, and gives them as they were kept, in order. They extend the
// lease of an execution whose cron has a heartbeat. It gives ErrNoExecution or
// ErrTooLate.
func (l *Ledger) Say(ctx context.Context, app, id int64, messages []Message) (said []Message, err error) {
	ctx, t := span.Start(ctx, "ledger message")
	defer func() { endSpan(t, Execution{ID: id}, false, err) }()
	cron, err := l.cronOf(ctx, app, id)
	if err != nil {
		return nil, fmt.Errorf("message of execution %d: %w", id, err)
	}
	said, err = grouped(ctx, l.db, cron, func(ctx context.Context, tx *db.Tx) (said []Message, refused, err error) {
		e, err := l.lockExecution(ctx, tx, id)
		switch {
		case errors.Is(err, ErrNoExecution):
			return nil, err, nil
		case err != nil:
			return nil, nil, err
		case !e.EndedAt.IsZero() && tx.Now().Sub(e.EndedAt) > lateMessages:
			return nil, ErrTooLate, nil
		}
		if said, err = l.say(ctx, tx, &e, messages); err != nil || e.LeaseUntil.IsZero() || !e.EndedAt.IsZero() {
			return said, nil, err
		}
		_, err = tx.Exec(ctx, `UPDATE executions SET lease_until = $1 + (SELECT heartbeat FROM crons WHERE id = cron_id)
			WHERE id = $2 AND (SELECT heartbeat FROM crons WHERE id = cron_id) IS NOT NULL`, db.Time{Time: tx.Now()}, id)
		return said, nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("message of execution %d: %w", id, err)
	}
	return said, nil
}

// say adds messages to an execution that tx has locked, and drops from the
// middle what is over the bounds.
func (l *Ledger) say(ctx context.Context, tx *db.Tx, e *Execution, messages []Message) ([]Message, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	said := make([]Message, len(messages))
	for i, m := range messages {
		if m.At.IsZero() {
			m.At = tx.Now()
		}
		m.Text = clean(m.Text)
		if len(m.Text) > MaxMessage {
			m.Text, m.Truncated = tailOf(m.Text, MaxMessage), true
		}
		m.ReceivedAt, m.Late = tx.Now(), !e.EndedAt.IsZero() && !m.Ending
		said[i] = m
	}
	k, first := e.kept, e.Messages+1
	for i, m := range said {
		size := int64(len(m.Text))
		if k.head == e.Messages+int64(i) && k.head < keptEach && k.headBytes+size <= keptBytes {
			k.head++
			k.headBytes += size
		} else {
			k.tailBytes += size
		}
	}
	if err := insertMessages(ctx, tx, e.ID, first, said); err != nil {
		return nil, err
	}
	e.Messages += int64(len(said))
	if err := evict(ctx, tx, e.ID, e.Messages, &k); err != nil {
		return nil, err
	}
	e.kept = k
	_, err := tx.Exec(ctx, `UPDATE executions SET message_count = $1, head_count = $2, head_bytes = $3, tail_seq = $4, tail_bytes = $5 WHERE id = $6`,
		e.Messages, k.head, k.headBytes, k.tail, k.tailBytes, e.ID)
	for i := range said {
		seq := first + int64(i)
		said[i].Dropped = seq > k.head && seq < k.tail
		said[i].DroppedSoFar = e.Dropped()
	}
	return said, err
}

// insertMessages writes messages and sets their ids. Many go in one statement,
// but not so many that binding them costs more than it saves.
func insertMessages(ctx context.Context, tx *db.Tx, id, first int64, messages []Message) error {
	const columns = 10
	for chunk := range slices.Chunk(messages, 40) {
		var values strings.Builder
		args := make([]any, 0, len(chunk)*columns)
		for i, m := range chunk {
			if i > 0 {
				values.WriteString(", ")
			}
			values.WriteByte('(')
			for j := range columns {
				if j > 0 {
					values.WriteByte(',')
				}
				fmt.Fprintf(&values, "$%d", i*columns+j+1)
			}
			values.WriteByte(')')
			args = append(args, id, first+int64(i), string(m.Type), m.Text, db.Time{Time: m.At}, db.Time{Time: m.ReceivedAt},
				len(m.Text), m.Truncated, m.Late, m.Ending)
		}
		rows, err := tx.Query(ctx, "INSERT INTO messages (execution_id, seq, type, message, at, received_at, size, truncated, late, ending) VALUES "+
			values.String()+" RETURNING id, seq", args...)
		if err != nil {
			return err
		}
		_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
			var messageID, seq int64
			err := r.Scan(&messageID, &seq)
			if err == nil {
				chunk[seq-first].ID = messageID
			}
			return struct{}{}, err
		})
		if err != nil {
			return err
		}
		first += int64(len(chunk))
	}
	return nil
}

// evict deletes the oldest messages after the head until the rest is within the
// bounds.
func evict(ctx context.Context, tx *db.Tx, id, last int64, k *kept) error {
	from := max(k.tail, k.head+1)
	atOnce := int64(10) // mostly one comes and one goes
	for next := from; last-next+1 > keptEach || k.tailBytes > keptBytes; atOnce *= 10 {
		rows, err := tx.Query(ctx, "SELECT seq, size FROM messages WHERE execution_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3", id, next, atOnce)
		if err != nil {
			return err
		}
		_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
			var seq, size int64
			err := r.Scan(&seq, &size)
			if last-next+1 > keptEach || k.tailBytes > keptBytes {
				next, k.tailBytes = seq+1, k.tailBytes-size
			}
			return struct{}{}, err
		})
		if err != nil {
			return err
		}
		k.tail = next
	}
	if k.tail <= from {
		return nil
	}
	_, err := tx.Exec(ctx, "DELETE FROM messages WHERE execution_id = $1 AND seq >= $2 AND seq < $3", id, from, k.tail)
	return err
}

// tailOf gives the last n bytes of s, or less so as not to split a rune.
func tailOf(s string, n int) string {
	s = s[len(s)-n:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}

// Messages gives up to limit messages of an execution that are kept and follow
// the one with id after, in the order in which they came; only those of the given
// types, if any is given.
func (l *Ledger) Messages(ctx context.Context, execution, after int64, limit int, types ...MessageType) ([]Message, error) {
	var w where
	w.is("execution_id = %s", execution)
	w.is("id > %s", after)
	if len(types) > 0 {
		in(&w, "type", types)
	}
	rows, err := l.db.Query(ctx, "SELECT "+messageColumns+" FROM messages"+w.String()+
		" ORDER BY seq LIMIT "+w.arg(limit), w.args...)
	if err != nil {
		return nil, fmt.Errorf("messages of execution %d: %w", execution, err)
	}
	all, err := db.Collect(rows, scanMessage)
	if err != nil {
		return nil, fmt.Errorf("messages of execution %d: %w", execution, err)
	}
	return all, nil
}

const messageColumns = "id, type, message, at, received_at, truncated, late, ending"

func scanMessage(row *db.Rows) (m Message, err error) {
	err = row.Scan(&m.ID, &m.Type, &m.Text, instant(&m.At), instant(&m.ReceivedAt), &m.Truncated, &m.Late, &m.Ending)
	return m, err
}
