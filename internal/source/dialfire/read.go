package dialfire

import (
	"context"
	"errors"
	"iter"
	"log/slog"

	"ferryman/internal/pipeline"
)

// errStopped says that the consumer wants no more.
var errStopped = errors.New("the consumer has stopped")

// run is one read.
type run struct {
	api      *api
	tempo    *tempo
	config   *Config
	progress *counters
	source   *Source
	holdings Holdings
	log      *slog.Logger

	decode func([]byte) ([]contact, error)
	build  func(*bundle) []pipeline.Change
	layout *layout

	yield    func(pipeline.Batch, error) bool
	after    pipeline.Cursor
	place    place
	dirty    bool // place has moved since it was given
	restarts int
	fetching fetching

	// Of a verification.
	full   *idSet // the ids of the contacts that were listed
	calls  *idSet // and of the inbound calls
	unread int    // inbound calls that were listed and cannot be told from others
	shared bool   // the target holds contacts of other campaigns
}

// Read brings what is new since a cursor and ends when it is up to date; see Mode.
// Every batch has a cursor, and lands with all that hangs below its contacts.
//
// What fails is tried again for as long as Config.Patience allows. Then, or where
// nothing can be hoped for, what is in hand is yielded and after it the error.
func (s *Source) Read(ctx context.Context, after pipeline.Cursor) iter.Seq2[pipeline.Batch, error] {
	return func(yield func(pipeline.Batch, error) bool) {
		defer s.progress.enter(PhaseIdle)
		r := &run{
			api: s.api, tempo: &s.tempo, config: &s.config, progress: &s.progress, source: s,
			holdings: s.config.Holdings, log: s.config.Logger, yield: yield, after: after,
		}
		if err := r.read(ctx); err != nil && !errors.Is(err, errStopped) {
			yield(pipeline.Batch{}, err)
		}
	}
}

func (r *run) read(ctx context.Context) (err error) {
	if r.place, err = decodePlace(r.after); err != nil {
		return err
	}
	r.progress.cover(r.place.Events.Through)
	switch {
	case r.config.Mode == Webhook:
		err = r.webhook(ctx)
	case r.config.Full:
		err = r.verify(ctx)
	default:
		err = r.sync(ctx)
	}
	if err != nil {
		return err
	}
	if r.dirty {
		if err := r.emit(ctx, nil); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return nil
}

// sync keeps a database up to date.
func (r *run) sync(ctx context.Context) error {
	r.doubt(ctx)
	if err := r.prepare(ctx); err != nil {
		return err
	}
	r.reform(ctx)
	r.plan()
	if r.place.Job != nil {
		if err := r.job(ctx); err != nil {
			return err
		}
		if r.config.Dry { // all that follows would be found once more
			return nil
		}
	}
	if r.config.Mode != Sync {
		return r.refetch(ctx)
	}
	for _, step := range []func(context.Context) error{r.list, r.events, r.inbound, r.changes, r.refetch} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare learns the campaign's fields. Contacts that were brought while a field was
// not known yet lack its value, and their MD5 does not tell: they are noted.
func (r *run) prepare(ctx context.Context) error {
	r.progress.enter(PhaseFields)
	digest, err := r.source.refresh(ctx)
	if err != nil {
		return err
	}
	r.layout = r.source.layout
	r.decode = r.layout.decode
	r.build = r.layout.build
	seen := r.place.Fields
	if seen.Digest != "" && seen.Digest != digest && r.place.Refetch.IsZero() {
		r.log.InfoContext(ctx, "the campaign's fields have changed")
		r.place.Refetch = seen.At
	}
	r.place.Fields = fieldsSeen{Digest: digest, At: r.source.now()}
	return nil
}

// move changes the place as of what was brought.
func (r *run) move(f func(*place)) {
	f(&r.place)
	r.dirty = true
	r.progress.cover(r.place.Events.Through)
}

// emit yields a batch with the place as it is; a verification gives the cursor back
// that it got.
func (r *run) emit(ctx context.Context, changes []pipeline.Change) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	r.dirty = false
	next := r.after
	if r.full == nil {
		r.place.Batch++
		var err error
		if next, err = r.place.encode(); err != nil {
			return err
		}
	} else if len(changes) == 0 {
		return nil
	}
	if !r.yield(pipeline.Batch{Changes: changes, Next: next}, nil) {
		return errStopped
	}
	if r.source.memory != nil {
		r.source.memory.given(next)
	}
	return nil
}
