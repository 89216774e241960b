package dialfire

import (
	"context"
	"slices"
	"sync"

	"ferryman/internal/pipeline"
)

// task is a group of contacts that are being fetched or, without done, the end of a
// sheet or of all of them.
type task struct {
	done    chan struct{}
	outcome outcome
	err     error
	advance func(*place)
}

// flow is what goes on at the same time while contacts are brought.
type flow struct {
	*run
	distrust bool
	tasks    chan *task    // in order
	slots    chan struct{} // one for each group that is fetched or waits to be taken
	going    sync.WaitGroup
}

func (f *flow) start(ctx context.Context, from sheets) {
	pages := make(chan sheet)
	var failed error
	f.going.Go(func() {
		defer close(pages)
		failed = from(ctx, func(s sheet) error {
			select {
			case pages <- s:
				return nil
			case <-ctx.Done():
				return ended(ctx)
			}
		})
	})
	f.going.Go(func() {
		defer close(f.tasks)
		for page := range pages {
			if err := f.dispatch(ctx, page); err != nil {
				f.put(ctx, &task{err: err})
				for range pages { // until it has noticed that nobody wants more
				}
				return
			}
		}
		if failed != nil {
			f.put(ctx, &task{err: failed})
		}
	})
}

// put hands a task to the consumer, unless there is none any more.
func (f *flow) put(ctx context.Context, t *task) {
	select {
	case f.tasks <- t:
	case <-ctx.Done():
	}
}

// dispatch has a sheet's contacts fetched in groups.
func (f *flow) dispatch(ctx context.Context, page sheet) error {
	ids, err := f.wanted(ctx, page.items)
	if err != nil {
		return err
	}
	for group := range slices.Chunk(ids, f.config.PerCall) {
		select {
		case f.slots <- struct{}{}:
		case <-ctx.Done():
			return ended(ctx)
		}
		t := &task{done: make(chan struct{})}
		f.going.Go(func() {
			defer close(t.done)
			t.outcome, t.err = f.fetch(ctx, group)
		})
		f.put(ctx, t)
	}
	f.put(ctx, &task{outcome: outcome{odd: f.odd(page.rejected)}, advance: page.advance})
	return nil
}

// wanted are the ids, each once, of which the target does not have what is listed.
func (f *flow) wanted(ctx context.Context, items []listed) ([]string, error) {
	if len(items) == 0 {
		return nil, nil
	}
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.id
	}
	var held map[string]Held
	if !f.distrust {
		var err error
		if held, err = f.holdings.Contacts(ctx, ids); err != nil {
			return nil, err
		}
	}
	now := f.source.now()
	wanted := ids[:0]
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		// Of several MD5s of a contact any may be the newest one.
		if h, ok := held[item.id]; ok && item.md5 != "" && h.MD5 == item.md5 {
			continue
		}
		if !seen[item.id] && (f.full != nil || !f.source.shunned.has(item.id, now)) {
			seen[item.id] = true
			wanted = append(wanted, item.id)
		}
	}
	f.progress.skipped.Add(int64(len(items) - len(wanted)))
	return wanted, nil
}

// odd are the entries of a list that name no contact. What is listed again and again
// is told once in a while.
func (f *flow) odd(rejected []pipeline.Rejected) (told []pipeline.Rejected) {
	now := f.source.now()
	for _, rej := range rejected {
		if f.full != nil || !f.source.shunned.has(rej.Key, now) {
			f.source.shunned.add(rej.Key, now)
			told = append(told, rej)
		}
	}
	return told
}
