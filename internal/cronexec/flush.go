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
	why       error     // the last was discarded
	others    int       // wait for another key or server
	oldest    time.Time // of them
	stopped   error     // what kept it from going on; nil if nothing did
}

var errStale = errors.New("nobody could send it for thirty days")

// flush sends the reports that are kept for the server, the oldest first, until
// one fails in a way that may pass, or the key is refused. One that the server does
// not take is discarded. If another process is at it, it does nothing. With all it
// sends also those that were kept for another key or server.
func (s spool) flush(ctx context.Context, to *server, key string, all bool) (f flushed) {
	if len(s.names()) == 0 {
		return f
	}
	lock := flock.New(filepath.Join(s.dir, spoolLock), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		err = errBusy
	}
	if err != nil {
		f.stopped = err
		return f
	}
	defer func() { _ = lock.Unlock() }()
	s.sweep(time.Now())
	for _, name := range s.names() {
		if err := ctx.Err(); err != nil {
			f.stopped = err
			break
		}
		p, err := s.read(name)
		if err == nil {
			err = flushOne(ctx, p, to, key, all)
		} else if !errors.Is(err, errCorrupt) {
			continue // another user's, or gone
		}
		switch {
		case err == nil:
			f.sent++
		case errors.Is(err, errNotOurs):
			if f.others++; f.oldest.IsZero() {
				f.oldest = p.EndedAt
			}
			continue
		case fault.KindOf(err) == fault.Forbidden:
			f.stopped = err // this one: a proxy may not like what it says, and those behind it are not to wait
			continue
		case errors.Is(err, errCorrupt), errors.Is(err, errStale), !fault.Temporary(err) && !keyRefused(err):
			f.discarded++
			f.why = err
		default:
			f.stopped = err
			return f
		}
		_ = os.Remove(filepath.Join(s.dir, name)) // to send it again does no harm
	}
	return f
}

var (
	errNotOurs = errors.New("not for this server or key")
	errBusy    = errors.New("another process sends them")
)

// keyRefused tells whether it is not the report that the server does not take.
func keyRefused(err error) bool {
	kind := fault.KindOf(err)
	return kind == fault.Unauthorized || kind == fault.Forbidden
}

func flushOne(ctx context.Context, p report, to *server, key string, all bool) error {
	elsewhere := p.URL != to.base.String()
	switch {
	case time.Since(p.EndedAt) > maxSpooledAge:
		return errStale
	case all:
	case elsewhere:
		return errNotOurs // ids of executions, and the key, are that server's business alone
	case p.Execution == 0 && p.Key != key:
		return errNotOurs // another application may have a cron of this name, or be given one
	}
	err := to.deliver(ctx, &p, true)
	if (elsewhere || p.Key != key) && (keyRefused(err) || fault.KindOf(err) == fault.NotFound) {
		// Either the key was changed for another since then, or the cron is of
		// another application, which this key knows nothing of.
		return errNotOurs
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
		f.result = s.flush(ctx, to, key, false)
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
