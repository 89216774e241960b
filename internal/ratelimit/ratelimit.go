// Package ratelimit bounds how often each of many callers may do something, at the
// cost of a bounded memory.
package ratelimit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// most is how many callers are told apart at a time.
const most = 10_000

// Limiter gives everybody a rate of their own. A nil Limiter lets everything pass. It
// is safe for concurrent use.
type Limiter[K comparable] struct {
	rate  rate.Limit
	burst int
	most  int // whose rates are known at a time

	mu  sync.Mutex
	all map[K]*rate.Limiter
}

// New makes a limiter of so many a second, burst of them at once; nil if that is 0.
func New[K comparable](perSecond, burst int) *Limiter[K] {
	if perSecond == 0 {
		return nil
	}
	return &Limiter[K]{rate: rate.Limit(perSecond), burst: burst, most: most, all: map[K]*rate.Limiter{}}
}

// Take gives 0 if who may act now, or else how long to wait before trying again.
func (l *Limiter[K]) Take(who K, now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	r := l.of(who, now).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now) // what is refused costs nothing
	}
	return wait
}

func (l *Limiter[K]) of(who K, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, known := l.all[who]
	if !known {
		if len(l.all) >= l.most {
			l.makeRoom(now)
		}
		one = rate.NewLimiter(l.rate, l.burst)
		l.all[who] = one
	}
	return one
}

// makeRoom forgets those who have rested for so long that it makes no difference,
// or else anybody. It looks at a few only: a flood from ever new addresses shall
// cost neither memory nor time.
func (l *Limiter[K]) makeRoom(now time.Time) {
	looks := 16
	for who, one := range l.all { // in no order
		looks--
		if one.TokensAt(now) >= float64(l.burst) {
			delete(l.all, who)
		}
		if looks == 0 {
			break
		}
	}
	for who := range l.all {
		if len(l.all) < l.most {
			return
		}
		delete(l.all, who)
	}
}

// Network is the part of an address that a client's rate goes by; it is not valid where
// the address is not. A host has as many addresses of IPv6 as it likes, all in one /64.
func Network(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}
