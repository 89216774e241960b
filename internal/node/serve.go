package node

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Self is what a node says of itself.
type Self struct {
	// Name is MACHINE-PROCESS-RANDOM, and tells it from all other processes that ever
	// served the store.
	Name    string
	Version string
	URL     string
}

// Work is what a node does, and can be told not to.
type Work interface {
	// Rest has it begin nothing more and returns once what it had begun is finished,
	// or when ctx ends, with its error.
	Rest(ctx context.Context) error
	// Resume has it work again after Rest, however that ended.
	Resume(ctx context.Context) error
}

// Serve puts a node into the book and keeps it there until ctx ends; then Leave takes
// it out. Meanwhile it has the node's work rest while it is to be drained. A store that
// cannot be reached keeps it from nothing but that: it tells the log and goes on.
func (b *Book) Serve(ctx context.Context, self Self, work Work) {
	s := serving{b: b, self: self, work: work}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	var failing error
	for {
		err := s.beat(ctx)
		if err != nil && failing == nil && ctx.Err() == nil {
			b.log.Warn("cannot keep this node's place in the book", "err", err)
		}
		failing = err
		select {
		case <-tick.C:
		case <-ctx.Done():
			if s.change != nil {
				s.change.stop()
				<-s.change.done
			}
			return
		}
	}
}

// Leave takes a node out of the book, and those that it has replaced: nobody could tell
// any more that somebody has come after them.
func (b *Book) Leave(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, 2*beat)
	defer cancel()
	all, err := b.List(ctx)
	if err == nil {
		err = b.db.Tx(ctx, func(tx *db.Tx) error {
			for _, n := range all {
				if n.Name != name && n.ReplacedBy != name {
					continue
				}
				if _, err := tx.Exec(ctx, "DELETE FROM nodes WHERE name = $1", n.Name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		b.log.Warn("cannot take this node out of the book", "err", err)
	}
}

// serving is a node at work. Its loop alone uses it.
type serving struct {
	b    *Book
	self Self
	work Work

	started time.Time // by the store's clock
	written time.Time // when it last wrote that it lives, by the monotonic clock
	swept   time.Time // when it last looked for nodes to forget

	change  *change   // that is under way
	resting bool      // the work was told to rest
	drainAt time.Time // since when it is to
	idle    bool      // it has come to rest
	noted   bool      // and the book has it
}

// change has the work rest or resume, beside the beats.
type change struct {
	rests bool
	stop  context.CancelFunc
	done  chan struct{} // closed when err is known
	err   error
}

// beat says that the node lives, and does what it is asked to.
func (s *serving) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silentBeats*beat)
	defer cancel()
	if err := s.live(ctx); err != nil {
		return err
	}
	if err := s.follow(ctx); err != nil {
		return err
	}
	if time.Since(s.swept) < time.Minute {
		return nil
	}
	s.swept = time.Now()
	return s.b.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM nodes WHERE seen_at < $1", db.Time{Time: tx.Now().Add(-forgetAfter)})
		return err
	})
}

// live writes that the node lives, if it is time to, and reads whether it is to drain.
func (s *serving) live(ctx context.Context) error {
	var at time.Time
	if !s.written.IsZero() && time.Since(s.written) < s.b.every()-beat/2 {
		err := s.b.db.QueryRow(ctx, "SELECT max(drain_at) FROM nodes WHERE name = $1", s.self.Name).Scan(db.ScanTime(&at))
		if err == nil {
			s.ask(at)
		}
		return err
	}
	begun := time.Now()
	err := s.b.db.Tx(ctx, func(tx *db.Tx) error {
		now, started := tx.Now(), s.started
		if started.IsZero() {
			started = now
		}
		if s.written.IsZero() && s.b.db.Dialect() == db.SQLite {
			// This one has the store for itself: whoever served it before is gone.
			if _, err := tx.Exec(ctx, "DELETE FROM nodes"); err != nil {
				return err
			}
		}
		// One that was forgotten comes back as it was.
		err := tx.QueryRow(ctx, `INSERT INTO nodes (name, version, url, started_at, seen_at, drain_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at RETURNING drain_at`,
			s.self.Name, s.self.Version, s.self.URL, db.Time{Time: started}, db.Time{Time: now}, db.Time{Time: s.drainAt}).Scan(db.ScanTime(&at))
		s.started = started
		return err
	})
	if err == nil {
		s.written = begun
		s.ask(at)
	}
	return err
}

// ask has the node drain since a time, or not at all if that is zero.
func (s *serving) ask(at time.Time) {
	if !at.Equal(s.drainAt) {
		s.drainAt, s.noted = at, false
	}
}

// follow has the work do what the book asks for, as far as that is not under way.
func (s *serving) follow(ctx context.Context) error {
	drain := !s.drainAt.IsZero()
	if c := s.change; c != nil {
		select {
		case <-c.done:
		default:
			if c.rests != drain {
				c.stop()
			}
			return nil
		}
		s.change = nil
		switch {
		case c.err == nil && c.rests:
			s.idle, s.noted = true, false
		case c.err == nil:
			s.resting = false
			s.b.log.Info("resumed: this node works again")
		case c.rests == drain:
			s.b.log.Warn("it is tried again", "drain", drain, "err", c.err)
		}
	}
	switch {
	case drain && !s.idle:
		if !s.resting {
			s.b.log.Info("draining: this node begins nothing more")
		}
		s.resting = true
		s.begin(ctx, true)
	case !drain && s.resting:
		s.idle = false
		s.begin(ctx, false)
	case drain && !s.noted:
		return s.note(ctx)
	}
	return nil
}

// begin has the work rest or resume, and does not wait for it.
func (s *serving) begin(ctx context.Context, rests bool) {
	changing, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &change{rests: rests, stop: stop, done: make(chan struct{})}
	s.change = c
	go func() {
		defer stop()
		defer close(c.done)
		if rests {
			c.err = s.work.Rest(changing)
		} else {
			c.err = s.work.Resume(changing)
		}
	}()
}

// note writes that nothing runs on the node any more.
func (s *serving) note(ctx context.Context) error {
	err := s.b.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE nodes SET drained_at = $1 WHERE name = $2 AND drain_at IS NOT NULL", db.Time{Time: tx.Now()}, s.self.Name)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that the node is drained: %w", err)
	}
	s.noted = true
	s.b.log.Info("drained: nothing runs on this node")
	return nil
}
