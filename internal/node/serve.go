package node

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Self is what a node says of itself.
type Self struct {
	Name    string // tells it from all other processes that ever served the store
	Version string
	URL     string
}

// Work is what a node does, and can be told not to.
type Work interface {
	// Rest has it begin nothing more and returns once what it had begun is finished,
	// or when ctx ends, with its error.
	Rest(ctx context.Context) error
	// Resume has it work again after Rest.
	Resume(ctx context.Context) error
}

// Serve puts a node into the book and takes it out when ctx ends. Meanwhile it says
// that the node lives, and has its work rest while it is to be drained. A store that
// cannot be reached keeps it from nothing but that: it tells the log and goes on.
func (b *Book) Serve(ctx context.Context, self Self, work Work) {
	s := serving{b: b, self: self, work: work}
	defer s.leave(ctx)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		if err := s.beat(ctx); err != nil && ctx.Err() == nil {
			b.log.Warn("cannot keep this node's place in the book", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// serving is a node at work. Its loop alone uses it.
type serving struct {
	b    *Book
	self Self
	work Work

	written time.Time // when it last wrote that it lives, by the monotonic clock
	swept   time.Time // when it last looked for nodes to forget
	rest    *rest     // nil while the node works
}

// rest is work that comes to its end.
type rest struct {
	stop  context.CancelFunc // waits for it no longer
	done  chan struct{}      // closed when it has, or nobody waits
	err   error              // of it, once it is done
	noted bool               // in the book
}

// beat says that the node lives, and does what it is asked to.
func (s *serving) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silentBeats*beat)
	defer cancel()
	drain, err := s.live(ctx)
	switch {
	case err != nil:
		return err
	case drain:
		err = s.drain(ctx)
	case s.rest != nil:
		err = s.resume(ctx)
	}
	if err != nil || time.Since(s.swept) < time.Minute {
		return err
	}
	s.swept = time.Now()
	return s.b.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM nodes WHERE seen_at < $1", db.Time{Time: tx.Now().Add(-forgetAfter)})
		return err
	})
}

// live writes that the node lives, if it is time to, and tells whether it is to drain.
func (s *serving) live(ctx context.Context) (drain bool, err error) {
	var at time.Time
	if !s.written.IsZero() && time.Since(s.written) < s.b.every()-beat/2 {
		err := s.b.db.QueryRow(ctx, "SELECT max(drain_at) FROM nodes WHERE name = $1", s.self.Name).Scan(db.ScanTime(&at))
		return !at.IsZero(), err
	}
	begun := time.Now()
	err = s.b.db.Tx(ctx, func(tx *db.Tx) error {
		now := db.Time{Time: tx.Now()}
		if s.written.IsZero() && s.b.db.Dialect() == db.SQLite {
			// This one has the store for itself: whoever served it before is gone.
			if _, err := tx.Exec(ctx, "DELETE FROM nodes"); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ($1, $2, $3, $4, $4)
			ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at RETURNING drain_at`, s.self.Name, s.self.Version, s.self.URL, now).Scan(db.ScanTime(&at))
	})
	if err == nil {
		s.written = begun
	}
	return !at.IsZero(), err
}

// drain has the work come to its end beside the beats, and notes when it has.
func (s *serving) drain(ctx context.Context) error {
	if s.rest == nil {
		s.b.log.Info("draining: this node begins nothing more")
		resting, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := &rest{stop: stop, done: make(chan struct{})}
		s.rest = r
		go func() {
			defer close(r.done)
			r.err = s.work.Rest(resting)
		}()
		return nil
	}
	select {
	case <-s.rest.done:
	default:
		return nil
	}
	if err := s.rest.err; err != nil {
		s.rest = nil // it is tried again
		return fmt.Errorf("drain: %w", err)
	}
	if s.rest.noted {
		return nil
	}
	err := s.b.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE nodes SET drained_at = $1 WHERE name = $2 AND drain_at IS NOT NULL", db.Time{Time: tx.Now()}, s.self.Name)
		return err
	})
	if err == nil {
		s.rest.noted = true
		s.b.log.Info("drained: nothing runs on this node")
	}
	return err
}

// resume has the work go on.
func (s *serving) resume(ctx context.Context) error {
	s.endRest()
	if err := s.work.Resume(ctx); err != nil {
		return fmt.Errorf("resume work: %w", err)
	}
	s.rest = nil
	s.b.log.Info("resumed: this node works again")
	return nil
}

// endRest waits no longer for the work to come to its end.
func (s *serving) endRest() {
	s.rest.stop()
	<-s.rest.done
}

// leave takes the node out of the book.
func (s *serving) leave(ctx context.Context) {
	if s.rest != nil {
		s.endRest()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), silentBeats*beat)
	defer cancel()
	err := s.b.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM nodes WHERE name = $1", s.self.Name)
		return err
	})
	if err != nil {
		s.b.log.Warn("cannot take this node out of the book", "err", err)
	}
}
