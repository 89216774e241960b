package cronexec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"ferryman/internal/fault"
)

// flushed is what became of the reports of earlier runs.
type flushed struct {
	sent      int
	discarded int
	why       error // the last was discarded
}

var errStale = errors.New("nobody could send it for thirty days")

// flush sends the reports that are kept for the server, the oldest first, until
// one fails in a way that may pass. One that the server does not take is
// discarded. If another process is at it, it does nothing.
func (s spool) flush(ctx context.Context, to *server, key string) (f flushed) {
	if len(s.names()) == 0 {
		return f
	}
	lock := flock.New(filepath.Join(s.dir, spoolLock), flock.SetPermissions(0o600))
	if locked, err := lock.TryLock(); err != nil || !locked {
		return f
	}
	defer func() { _ = lock.Unlock() }()
	s.sweep(time.Now())
	for _, name := range s.names() {
		if ctx.Err() != nil {
			break
		}
		err := s.flushOne(ctx, name, to, key)
		switch {
		case err == nil:
			f.sent++
		case errors.Is(err, errNotNow):
			continue
		case errors.Is(err, errCorrupt), errors.Is(err, errStale), !fault.Temporary(err):
			f.discarded++
			f.why = err
		default:
			return f
		}
		_ = os.Remove(filepath.Join(s.dir, name)) // to send it again does no harm
	}
	return f
}

// errNotNow is for what another run has to see to.
var errNotNow = errors.New("not for this server or key")

func (s spool) flushOne(ctx context.Context, name string, to *server, key string) error {
	p, err := s.read(name)
	switch {
	case errors.Is(err, errCorrupt):
		return err
	case err != nil:
		return errNotNow // another user's, or gone
	case time.Since(p.EndedAt) > maxSpooledAge:
		return errStale
	case p.URL != to.base.String():
		return errNotNow // the key is this server's business alone
	case p.Execution == 0 && p.Key != key:
		return errNotNow // another application may have a cron of this name
	}
	err = to.deliver(ctx, &p, true)
	if p.Key != key {
		// Either the key was changed for another since then, or the cron is of
		// another application, which this key knows nothing of.
		switch fault.KindOf(err) {
		case fault.Unauthorized, fault.Forbidden, fault.NotFound:
			return errNotNow
		}
	}
	return err
}

// flusher is a flush beside something else.
type flusher struct {
	cancel context.CancelFunc
	done   chan struct{}
	result flushed
}

func startFlusher(ctx context.Context, s spool, to *server, key string) *flusher {
	ctx, cancel := context.WithCancel(ctx)
	f := &flusher{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.result = s.flush(ctx, to, key)
	}()
	return f
}

// wait gives it some more time.
func (f *flusher) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

// stop ends it.
func (f *flusher) stop() flushed {
	f.cancel()
	<-f.done
	return f.result
}
