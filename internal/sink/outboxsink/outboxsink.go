// Package outboxsink posts what a pipeline reads: it makes each new or changed
// transaction of a contact a delivery of the outbox.
//
// A batch lands in one transaction of the own store: its deliveries, what is
// remembered of them, and the pipeline's cursor. What was posted is remembered by
// 16 bytes of its key and of its hash, for ever: so a transaction that comes again
// unchanged is not posted again, after whatever crash and however much later, and
// one that comes changed is "updated", also when it has changed back.
//
// The deliveries of a contact go in the order in which its transactions came. One
// that could never be sent is a dead letter from the beginning, for people to see.
// Scopes delete nothing: what has gone at the source was posted all the same.
//
// Errors are faults with one of these codes: webhook_table, webhook_refused_row,
// webhook_backlog, cursor_moved, or those of the store.
package outboxsink

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
)

// Options of New.
type Options struct {
	// Pipeline is the name under which the cursor and what was posted are kept.
	// Another name posts everything anew.
	Pipeline string
	Channel  string // of the outbox
	// AnyOrder lets a transaction overtake an earlier one of the same contact that
	// is still to be sent.
	AnyOrder bool
	// MaxBacklog is how many deliveries of the channel may wait before nothing more
	// is taken; 1,000,000 if 0. It may be exceeded by one batch.
	MaxBacklog int
	Logger     *slog.Logger // nil discards
}

const usualBacklog = 1_000_000

// Backlog is the code of the fault that too much waits on the channel.
const Backlog = "webhook_backlog"

// Sink is a pipeline.Sink that posts. Several of one pipeline, in one process or in
// many, keep out of each other's way by the cursor.
type Sink struct {
	db  *db.DB
	box *outbox.Outbox
	o   Options

	writing sync.Mutex // held by Cursor and Write; guards what follows
	place   place
	room    int // that the backlog surely has; 0 or less: it has to be counted
}

var _ pipeline.Sink = (*Sink)(nil)

// New makes a sink on a migrated store, whose outbox is box.
func New(d *db.DB, box *outbox.Outbox, o Options) *Sink {
	if o.MaxBacklog == 0 {
		o.MaxBacklog = usualBacklog
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sink{db: d, box: box, o: o}
}

// Write posts what is new or has changed in b, and reports one table: inserted is
// what is new to the other side, updated what is not. After an error nothing of b
// has landed, or, where only the answer to the commit was lost, all of it; it may
// be written again either way.
//
// While too much waits on the channel it gives a temporary fault with the code
// webhook_backlog. If another writer has moved the cursor it gives one of kind
// Conflict, and this sink has to start again from Cursor.
func (s *Sink) Write(ctx context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	begun := time.Now()
	in, err := read(b)
	if err != nil {
		return nil, err
	}
	if len(in.postings)+len(in.refused) > 0 {
		if err := s.admit(ctx); err != nil {
			return nil, err
		}
	}
	w := writing{sink: s, in: in, whole: b.Whole}
	complete := false
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		err := w.run(ctx, tx, b.Next)
		complete = err == nil
		return err
	})
	if err != nil {
		if complete { // the commit failed, or its answer was lost
			s.place.doubtful = b.Next
		}
		return nil, fmt.Errorf("store what is to be posted: %w", err)
	}
	s.place = place{cursor: w.cursor}
	if w.added > 0 {
		s.room -= w.added
		s.box.Wake(s.o.Channel)
	}
	s.tell(w.refused)
	if len(b.Changes) == 0 {
		return nil, nil
	}
	w.count.Micros = time.Since(begun).Microseconds()
	return pipeline.Landed{w.count}, nil
}

// admit lets a batch in while the backlog has room. It counts only now and then:
// between two counts nobody else adds to the channel, and what is sent makes more
// room.
func (s *Sink) admit(ctx context.Context) error {
	if s.room > 0 {
		return nil
	}
	n, err := s.box.Backlog(ctx, s.o.Channel, s.o.MaxBacklog)
	if err != nil {
		return err
	}
	if s.room = s.o.MaxBacklog - n; s.room > 0 {
		return nil
	}
	return &fault.Error{
		Kind: fault.Unavailable, Code: Backlog,
		Detail: fmt.Sprintf("%d deliveries wait on the channel %s already", n, s.o.Channel),
		Hint:   "ferryman outbox stats shows whether the other side takes them; the sync goes on by itself once it does",
	}
}
