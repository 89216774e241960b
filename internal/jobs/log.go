package jobs

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// sayAgain is how long the same trouble is not worth saying once more: while the
// store is down, every loop of the engine meets it several times a second.
const sayAgain = 10 * time.Second

// sparing passes on records of a level or above, and of equal ones the first in
// a while.
type sparing struct {
	slog.Handler
	least     slog.Level
	byMessage bool // records with one message are equal, whatever else they tell
	said      *said
}

type said struct {
	mu   sync.Mutex
	when map[string]time.Time
}

func newSparing(h slog.Handler, least slog.Level, byMessage bool) slog.Handler {
	return sparing{h, least, byMessage, &said{when: map[string]time.Time{}}}
}

func (h sparing) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.least && h.Handler.Enabled(ctx, l)
}

func (h sparing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sparing{h.Handler.WithAttrs(attrs), h.least, h.byMessage, h.said}
}

func (h sparing) WithGroup(name string) slog.Handler {
	return sparing{h.Handler.WithGroup(name), h.least, h.byMessage, h.said}
}

// Handle implements slog.Handler.
func (h sparing) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn && !h.said.isNew(r, h.byMessage) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (s *said) isNew(r slog.Record, byMessage bool) bool {
	var key strings.Builder
	key.WriteString(r.Message)
	if !byMessage {
		r.Attrs(func(a slog.Attr) bool {
			key.WriteString(" " + a.String())
			return true
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.when[key.String()]; ok && r.Time.Sub(last) < sayAgain {
		return false
	}
	const many = 200
	if len(s.when) >= many {
		clear(s.when)
	}
	s.when[key.String()] = r.Time
	return true
}
