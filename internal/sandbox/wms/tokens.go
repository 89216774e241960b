package wms

import (
	"crypto/rand"
	"maps"
	"sync"
	"time"
)

const maxTokens = 10_000

type token struct {
	user    int64
	expires time.Time // zero: never
}

// tokens are those in use. Expired ones are dropped when room is needed.
type tokens struct {
	now  func() time.Time
	life time.Duration

	mu     sync.Mutex
	live   map[string]token
	issued int
}

func (t *tokens) init(now func() time.Time, life time.Duration) {
	if now == nil {
		now = time.Now
	}
	t.now, t.life, t.live = now, life, map[string]token{}
}

func (t *tokens) keep(name string, user int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[name] = token{user: user}
}

func (t *tokens) issue(user int64) (name string, seconds int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if len(t.live) >= maxTokens {
		maps.DeleteFunc(t.live, func(_ string, tok token) bool { return tok.expired(now) })
	}
	if len(t.live) >= maxTokens {
		return "", 0, false
	}
	name = "wms-" + rand.Text()
	t.live[name] = token{user: user, expires: now.Add(t.life)}
	t.issued++
	return name, int64(t.life / time.Second), true
}

func (t token) expired(now time.Time) bool { return !t.expires.IsZero() && !now.Before(t.expires) }

func (t *tokens) user(name string) (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tok, found := t.live[name]
	return tok.user, found && !tok.expired(t.now())
}

func (t *tokens) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.live, func(_ string, tok token) bool { return !tok.expires.IsZero() })
}

func (t *tokens) counts() (issued, live int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, tok := range t.live {
		if !tok.expired(now) {
			live++
		}
	}
	return t.issued, live
}
