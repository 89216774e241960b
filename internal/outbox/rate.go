package outbox

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
)

// Rate bounds how many deliveries go out in a time. The zero value is no bound.
//
// A rate by seconds is smooth: what goes at once is at most a tenth of a second's
// worth, and at least one. Of a quota by more than ten seconds, half may go at
// once and the other half is spread over the time, so that no stretch of that
// length ever holds more than N. With a Burst of its own, a stretch of Per holds
// at most N and that burst.
type Rate struct {
	N     int
	Per   time.Duration
	Burst int // how many may go at once; 0: as said above
}

const (
	smoothUpTo = 10 * time.Second
	atOnce     = 100 * time.Millisecond // whose worth goes at once, of a smooth rate
	mostN      = 1_000_000
	// So far apart two nodes' clocks may be, with the time that one waits for the
	// other's transaction.
	clocksApart = time.Second
)

var rateUnits = []struct {
	name string
	long time.Duration
	also []string
}{
	{"d", 24 * time.Hour, []string{"day"}},
	{"h", time.Hour, []string{"hour"}},
	{"min", time.Minute, []string{"m", "minute"}},
	{"s", time.Second, []string{"sec", "second"}},
}

// ParseRate reads what String writes: "30/s", "20/min", "100/h", "1/6s",
// "5/s burst 10", and "none". The error is a fault of kind Invalid.
func ParseRate(s string) (Rate, error) {
	bad := func(what string) (Rate, error) {
		return Rate{}, &fault.Error{
			Kind: fault.Invalid, Code: "rate", Detail: fmt.Sprintf("the rate %.40q %s", s, what),
			Hint: `write how many in what time, such as 30/s, 20/min, 100/h, 1/6s or 5/s burst 10, or "none"`,
		}
	}
	rest := strings.ToLower(strings.TrimSpace(s))
	if rest == "none" {
		return Rate{}, nil
	}
	var r Rate
	rest, burst, hasBurst := strings.Cut(rest, "burst")
	number, per, ok := strings.Cut(rest, "/")
	if !ok {
		return bad("has no slash")
	}
	var err error
	if r.N, err = strconv.Atoi(strings.TrimSpace(number)); err != nil || r.N < 1 || r.N > mostN {
		return bad(fmt.Sprintf("must begin with a whole number from 1 to %d", mostN))
	}
	if hasBurst {
		if r.Burst, err = strconv.Atoi(strings.TrimSpace(burst)); err != nil || r.Burst < 1 || r.Burst > mostN {
			return bad(fmt.Sprintf("must have a whole number from 1 to %d after burst", mostN))
		}
	}
	if r.Per = parsePer(strings.TrimSpace(per)); r.Per == 0 {
		return bad("must name a time of at most 31 days after the slash, in s, min, h or d")
	}
	return r, nil
}

// ParseWebhookRate reads a rate as ParseRate does, and fills in the burst that is
// usual for webhooks: of a rate by the second twice as many may go at once.
func ParseWebhookRate(s string) (Rate, error) {
	r, err := ParseRate(s)
	if err == nil && r.Burst == 0 && r.Per == time.Second {
		r.Burst = 2 * r.N
	}
	return r, err
}

// parsePer reads a unit, with a whole number before it or none; 0 if it cannot.
func parsePer(s string) time.Duration {
	unit := strings.TrimLeft(s, "0123456789")
	n := 1
	if digits := s[:len(s)-len(unit)]; digits != "" {
		var err error
		if n, err = strconv.Atoi(digits); err != nil {
			return 0
		}
	}
	unit = strings.TrimSpace(unit)
	for _, u := range rateUnits {
		for _, name := range append(u.also, u.name) {
			if unit == name && n <= int(31*24*time.Hour/u.long) {
				return time.Duration(n) * u.long
			}
		}
	}
	return 0
}

// String is the rate as ParseRate reads it.
func (r Rate) String() string {
	if r.N == 0 {
		return "none"
	}
	per := r.Per.String()
	for _, u := range rateUnits {
		if n := r.Per / u.long; n > 0 && r.Per%u.long == 0 {
			per = u.name
			if n > 1 {
				per = strconv.Itoa(int(n)) + u.name
			}
			break
		}
	}
	s := strconv.Itoa(r.N) + "/" + per
	if r.Burst > 0 {
		s += " burst " + strconv.Itoa(r.Burst)
	}
	return s
}

// burst is how many may go at once; at least 1.
func (r Rate) burst() int {
	switch {
	case r.Burst > 0:
		return r.Burst
	case r.Per > smoothUpTo:
		return max(1, r.N/2)
	default:
		return max(1, int(int64(r.N)*int64(atOnce)/int64(cmp.Or(r.Per, time.Second))))
	}
}

// interval is the time after which one more may go; 0 without a bound.
func (r Rate) interval() time.Duration {
	n := r.N
	if n == 0 {
		return 0
	}
	if r.Burst == 0 && r.Per > smoothUpTo && n > 1 {
		n -= r.burst() // what is spread over the time
	}
	return time.Duration(math.Ceil(float64(r.Per) / float64(n)))
}

// A bucket is a rate and when it is full again. This is the generic cell rate
// algorithm, with next as the theoretical arrival time.
type bucket struct {
	interval time.Duration
	burst    int
	next     time.Time
}

func (r Rate) bucket(next time.Time) bucket { return bucket{r.interval(), r.burst(), next} }

// free is how many may go now.
func (b bucket) free(now time.Time) int {
	if b.interval == 0 {
		if b.next.After(now) {
			return 0
		}
		return math.MaxInt
	}
	return max(0, int((time.Duration(b.burst)*b.interval-max(0, b.next.Sub(now)))/b.interval))
}

// at is when the next one may go, in the future or the past.
func (b bucket) at() time.Time { return b.next.Add(-time.Duration(b.burst-1) * b.interval) }

// take takes n that are free. What is stored is whole microseconds: it rounds up.
func (b *bucket) take(now time.Time, n int) {
	if b.interval == 0 || n == 0 {
		return
	}
	if b.next.Before(now) {
		b.next = now
	}
	b.next = ceilMicro(b.next.Add(time.Duration(n) * b.interval))
}

// rest keeps all from going for a time.
func (b *bucket) rest(until time.Time) {
	if b.at().Before(until) {
		b.next = ceilMicro(until.Add(time.Duration(b.burst-1) * b.interval))
	}
}

// clamp takes back what no rate could have asked for, and tells whether there was
// such: the clock has jumped, or the rate has been changed. It must be stored, or
// the clock would never catch up. What another node took by a clock that is a
// little ahead stays taken.
func (b *bucket) clamp(now time.Time) bool {
	most := ceilMicro(now.Add(time.Duration(b.burst) * b.interval))
	if !b.next.After(most.Add(clocksApart)) {
		return false
	}
	b.next = most
	return true
}

func ceilMicro(t time.Time) time.Time {
	if down := t.Truncate(time.Microsecond); !down.Equal(t) {
		return down.Add(time.Microsecond)
	}
	return t
}
