// Package rejected keeps calls that were refused, for whoever looks for a job
// that is wired wrongly.
//
// Calls are kept in memory for a second, in which those that are alike become
// one, and then written together: a flood of them costs neither memory nor the
// store's time. What is over the bounds is counted and forgotten. The newest
// 10,000 are kept for a week.
package rejected

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"ferryman/internal/db"
)

const (
	mostAtOnce = 500         // different calls that wait to be written
	writeEvery = time.Second // least time between two writings
	writeTime  = 5 * time.Second
	mostText   = 200 // bytes of each text
)

// Call is a call that was refused. It must not hold a key; whatever looks like
// one in its texts is left out.
type Call struct {
	AppID     int64 // 0 without a valid key
	Method    string
	Path      string // without the query
	Status    int
	Code      string
	Detail    string
	KeyPrefix string // the public part of the key, "" without one
	Remote    string // address, without the port
	Agent     string // User-Agent
}

// Log takes calls and writes them down. It is safe for concurrent use. Close it.
type Log struct {
	db  *db.DB
	log *slog.Logger

	mu      sync.Mutex
	waiting map[Call]*span
	lost    int64 // calls since the last writing that found no room

	some    chan struct{} // tells that there is something to write
	closing chan struct{}
	close   func()
	done    chan struct{}
}

// span is how often and when calls came that are alike.
type span struct {
	times       int64
	first, last time.Time
}

// Open makes a log on a migrated store. It tells log what it could not write.
func Open(d *db.DB, log *slog.Logger) *Log {
	l := &Log{
		db: d, log: log, waiting: map[Call]*span{},
		some: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	l.close = sync.OnceFunc(func() { close(l.closing) })
	go l.run()
	return l
}

// Note takes a call. It does not wait for the store.
func (l *Log) Note(c Call) {
	for _, text := range []*string{&c.Method, &c.Path, &c.Code, &c.Detail, &c.KeyPrefix, &c.Remote, &c.Agent} {
		*text = clean(*text)
	}
	now := l.db.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.waiting[c]
	switch {
	case known:
		s.times++
		s.last = now
	case len(l.waiting) < mostAtOnce:
		l.waiting[c] = &span{times: 1, first: now, last: now}
	default:
		l.lost++
	}
	select {
	case l.some <- struct{}{}:
	default:
	}
}

// Close writes what waits. Note must not be called any more.
func (l *Log) Close() {
	l.close()
	<-l.done
}

func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case <-l.some:
			l.pause()
			l.flush()
		case <-l.closing:
			l.flush()
			return
		}
	}
}

// pause lets calls come together, but not once the log is being closed.
func (l *Log) pause() {
	timer := time.NewTimer(writeEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closing:
	}
}

// flush writes what waits. What cannot be written waits on, as far as there is
// room, for the next call.
func (l *Log) flush() {
	l.mu.Lock()
	calls, lost := l.waiting, l.lost
	l.waiting, l.lost = map[Call]*span{}, 0
	l.mu.Unlock()
	if lost > 0 {
		l.log.Warn("more refused calls than are kept", "lost", lost)
	}
	if len(calls) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	if err := l.write(ctx, calls); err != nil {
		l.log.Warn("cannot write refused calls down", "err", err)
		l.putBack(calls)
	}
}

func (l *Log) putBack(calls map[Call]*span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, s := range calls {
		newer, known := l.waiting[c]
		switch {
		case known:
			newer.times += s.times
			newer.first = s.first
		case len(l.waiting) < mostAtOnce:
			l.waiting[c] = s
		default:
			l.lost += s.times
		}
	}
}

// clean makes a text fit for the store, and leaves out what may be a key.
func clean(s string) string {
	if len(s) > mostText {
		s = s[:mostText]
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\ufffd'
		}
		return r
	}, s)
	return withoutKeys(s)
}

// withoutKeys cuts what follows fm_ and is long enough to tell more than the
// public part of a key.
func withoutKeys(s string) string {
	const brand, public = "fm_", 8
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, brand)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString(brand)
		n := 0
		for n < len(after) && ('0' <= after[n] && after[n] <= '9' || 'a' <= after[n] && after[n] <= 'z' || 'A' <= after[n] && after[n] <= 'Z') {
			n++
		}
		if n > public {
			out.WriteString(after[:public] + "…")
			after = after[n:]
		}
		s = after
	}
}
