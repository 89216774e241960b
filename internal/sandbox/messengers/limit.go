package messengers

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rate is how many messages are taken in a time. The zero value is no limit.
//
// So many may come at once, and they become free again one by one, evenly. One
// may come a quarter of its interval too early, as packets do.
type Rate struct {
	N   int
	Per time.Duration
}

// Rates are the limits of one messenger.
type Rates struct {
	All       Rate `json:"all"`
	Recipient Rate `json:"recipient"`
	Group     Rate `json:"group"` // of a recipient that is a chat of many, beside Recipient
}

// Limits are the rates of all messengers. The zero value has none.
type Limits struct {
	Telegram Rates `json:"telegram"`
	Viber    Rates `json:"viber"`
	WhatsApp Rates `json:"whatsapp"`
	Webhook  Rates `json:"webhook"`
}

// VendorLimits are the rates that the vendors make known.
func VendorLimits() Limits {
	return Limits{
		Telegram: Rates{All: Rate{30, time.Second}, Recipient: Rate{1, time.Second}, Group: Rate{20, time.Minute}},
		Viber:    Rates{Recipient: Rate{100, time.Hour}},
		WhatsApp: Rates{All: Rate{80, time.Second}, Recipient: Rate{1, 6 * time.Second}},
	}
}

// units are what a rate's time is written in.
var units = []struct {
	name string
	span time.Duration
}{{"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}

// String writes the rate as ParseRate reads it: "30/s", "1/6s", "20/min" or "none".
func (r Rate) String() string {
	if r.N == 0 {
		return "none"
	}
	for _, u := range units {
		if n := r.Per / u.span; r.Per%u.span == 0 {
			if n == 1 {
				return fmt.Sprintf("%d/%s", r.N, u.name)
			}
			return fmt.Sprintf("%d/%d%s", r.N, n, u.name)
		}
	}
	return fmt.Sprintf("%d/%v", r.N, r.Per)
}

// ParseRate reads a number of messages and their time, or "none".
func ParseRate(text string) (Rate, error) {
	if text == "none" {
		return Rate{}, nil
	}
	wrong := fmt.Errorf("%q is no rate such as 30/s, 1/6s, 20/min or none", text)
	count, span, found := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	if !found || err != nil {
		return Rate{}, wrong
	}
	span = strings.ReplaceAll(span, "min", "m")
	if span != "" && (span[0] < '0' || span[0] > '9') {
		span = "1" + span
	}
	per, err := time.ParseDuration(span)
	if err != nil {
		return Rate{}, wrong
	}
	r := Rate{N: n, Per: per}
	if r.N < 1 || !r.valid() {
		return Rate{}, wrong
	}
	return r, nil
}

const maxRate = 1_000_000

func (r Rate) valid() bool {
	return r == Rate{} || r.N > 0 && r.N <= maxRate && r.Per >= time.Millisecond && r.Per <= 24*time.Hour
}

// MarshalText is String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRate.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// SetLimits puts limits in place of those there are, as if nothing had been sent
// yet.
func (s *Server) SetLimits(l Limits) error {
	rates := [len(all)]Rates{l.Telegram, l.Viber, l.WhatsApp, l.Webhook}
	for i, r := range rates {
		if !r.All.valid() || !r.Recipient.valid() || !r.Group.valid() {
			return fmt.Errorf("the limits of %s are out of range: at most %d messages, in a millisecond to a day", all[i], maxRate)
		}
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	s.limits.limits = l
	for i, r := range rates {
		s.limits.state[i] = meter{Rates: r, recipient: map[string]time.Time{}, group: map[string]time.Time{}}
	}
	return nil
}

// limiter meters all messengers.
type limiter struct {
	mu     sync.Mutex
	limits Limits
	state  [len(all)]meter
}

// meter meters one messenger by the generic cell rate algorithm: each limit has
// a time by which what was sent is worked off.
type meter struct {
	Rates
	all       time.Time
	recipient map[string]time.Time
	group     map[string]time.Time
}

const maxMetered = 200_000

// admit takes a message to the recipient into account. Otherwise it tells for how
// long to wait, and whether the limit broken is that of one recipient.
func (l *limiter) admit(to Messenger, recipient string, now time.Time) (wait time.Duration, one bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.state[to.index()]
	if m.Rates == (Rates{}) {
		return 0, false
	}
	bounded(m.recipient, now)
	bounded(m.group, now)
	if wait = m.All.wait(m.all, now); wait > 0 {
		return wait, false
	}
	if wait = m.Recipient.wait(m.recipient[recipient], now); wait > 0 {
		return wait, true
	}
	group := m.Group.N != 0 && isGroup(recipient)
	if group {
		if wait = m.Group.wait(m.group[recipient], now); wait > 0 {
			return wait, true
		}
		m.group[recipient] = m.Group.next(m.group[recipient], now)
	}
	if m.Recipient.N != 0 {
		m.recipient[recipient] = m.Recipient.next(m.recipient[recipient], now)
	}
	m.all = m.All.next(m.all, now)
	return 0, false
}

// bounded forgets whom a full map no longer needs to know, or else everybody.
func bounded(busy map[string]time.Time, now time.Time) {
	if len(busy) < maxMetered {
		return
	}
	for recipient, until := range busy {
		if !until.After(now) {
			delete(busy, recipient)
		}
	}
	if len(busy) > maxMetered/2 {
		clear(busy)
	}
}

func (r Rate) interval() time.Duration { return r.Per / time.Duration(max(r.N, 1)) }

func (r Rate) wait(busy, now time.Time) time.Duration {
	if r.N == 0 {
		return 0
	}
	tolerance := r.Per - r.interval() + r.interval()/4
	return max(busy.Add(-tolerance).Sub(now), 0)
}

func (r Rate) next(busy, now time.Time) time.Time {
	if busy.Before(now) {
		busy = now
	}
	return busy.Add(r.interval())
}
