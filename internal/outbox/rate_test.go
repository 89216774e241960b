package outbox

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/fault"
)

func TestParseRate(t *testing.T) {
	for s, want := range map[string]Rate{
		"none":         {},
		" NONE ":       {},
		"30/s":         {N: 30, Per: time.Second},
		"30 / sec":     {N: 30, Per: time.Second},
		"20/min":       {N: 20, Per: time.Minute},
		"20/m":         {N: 20, Per: time.Minute},
		"100/h":        {N: 100, Per: time.Hour},
		"1/6s":         {N: 1, Per: 6 * time.Second},
		"7/90 s":       {N: 7, Per: 90 * time.Second},
		"1000/day":     {N: 1000, Per: 24 * time.Hour},
		"5/s burst 10": {N: 5, Per: time.Second, Burst: 10},
	} {
		got, err := ParseRate(s)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", s, got, err, want)
		}
		if again, err := ParseRate(got.String()); err != nil || again != got {
			t.Errorf("%q written as %q is %+v, %v", s, got, again, err)
		}
	}
	for _, s := range []string{
		"", "30", "/s", "0/s", "-1/s", "1.5/s", "30/", "30/fortnight", "30/0s", "1000001/s", "1/99999999999999999999s", "1/32d",
		"30/s burst", "30/s burst 0", "30/s burst x", "many/s", "30/s/s", "9223372036854775808/s",
	} {
		if r, err := ParseRate(s); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q is %+v, %v", s, r, err)
		}
	}
}

func TestParseWebhookRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"5/s": "5/s burst 10", "5/s burst 7": "5/s burst 7", "20/min": "20/min", "none": "none"} {
		if r, err := ParseWebhookRate(text); err != nil || r.String() != want {
			t.Errorf("%q: %s, %v, want %s", text, r, err, want)
		}
	}
	if _, err := ParseWebhookRate("fast"); err == nil {
		t.Error("it takes what is none")
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"30/s", "1/6s", "5/s burst 10", "none", "20/min", "x/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		if again, err := ParseRate(r.String()); err != nil || again != r {
			t.Errorf("%q is %+v, written as %q it is %+v, %v", s, r, r, again, err)
		}
		if r.N > 0 && (r.burst() < 1 || r.interval() <= 0) {
			t.Errorf("%q lets %d go at once and then one each %v", s, r.burst(), r.interval())
		}
	})
}

func TestWhatGoesAtOnce(t *testing.T) {
	for s, want := range map[string]int{
		"30/s": 3, "1/s": 1, "1000/s": 100, "1/6s": 1, "100/10s": 1, "20/min": 10, "1/min": 1, "101/h": 50, "5/s burst 10": 10,
	} {
		r, err := ParseRate(s)
		if err != nil || r.burst() != want {
			t.Errorf("of %s go %d at once, want %d, %v", s, r.burst(), want, err)
		}
	}
}

// No stretch of a rate's time holds more than it says, and who always takes what
// is free gets nearly that.
func TestARateHolds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rate := Rate{
			N:     rapid.IntRange(1, 300).Draw(r, "n"),
			Per:   time.Duration(rapid.SampledFrom([]int64{1, 3, 10, 11, 60, 3600, 86_400}).Draw(r, "seconds")) * time.Second,
			Burst: rapid.SampledFrom([]int{0, 0, 1, 10}).Draw(r, "burst"),
		}
		most := rate.N
		if rate.Burst > 0 || rate.Per <= smoothUpTo {
			most += rate.burst()
		}
		now := time.Unix(1_000_000, 0)
		b, greedy := rate.bucket(time.Time{}), rapid.Bool().Draw(r, "greedy")
		began := now
		var went []time.Time
		for range 400 {
			n := b.free(now)
			if n > 0 && b.at().After(now) || n == 0 && !b.at().After(now) {
				r.Fatalf("%d may go, and the next at %v, at %v", n, b.at(), now)
			}
			if !greedy {
				n = min(n, rapid.IntRange(0, 5).Draw(r, "taken"))
			}
			b.take(now, n)
			for range n {
				went = append(went, now)
			}
			if greedy {
				now = ceilMicro(b.at())
			} else {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(rate.Per/2)).Draw(r, "pause")).Truncate(time.Microsecond))
			}
		}
		from := 0
		for i := range went {
			for went[i].Sub(went[from]) >= rate.Per {
				from++
			}
			if i-from+1 > most {
				r.Fatalf("%d in %v from %v on, at most %d", i-from+1, rate.Per, went[from], most)
			}
		}
		if took := now.Sub(began); greedy && float64(len(went)) < 0.45*float64(rate.N)*float64(took)/float64(rate.Per) {
			r.Fatalf("only %d in %v", len(went), took)
		}
	})
}

func TestARateIsClamped(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := Rate{N: 10, Per: time.Second}.bucket(now.Add(time.Hour))
	b.clamp(now)
	if wait := b.at().Sub(now); wait > 100*time.Millisecond {
		t.Errorf("waits %v", wait)
	}
	// Another node took all there was, half a second later by its clock.
	other := Rate{N: 10, Per: time.Second}.bucket(time.Time{})
	other.take(now.Add(500*time.Millisecond), 1)
	if taken := other.next; other.clamp(now) || !other.next.Equal(taken) || other.free(now) != 0 {
		t.Errorf("%v is taken back to %v", taken, other.next)
	}
	if n := (Rate{}).bucket(time.Time{}); n.free(now) != math.MaxInt {
		t.Error("no rate is a bound")
	}
	b = Rate{N: 20, Per: time.Minute}.bucket(time.Time{})
	b.rest(now.Add(5 * time.Second))
	if !b.at().Equal(now.Add(5*time.Second)) || b.free(now.Add(5*time.Second)) != 1 {
		t.Errorf("rests until %v, then %d", b.at(), b.free(now.Add(5*time.Second)))
	}
}

func TestBackoff(t *testing.T) {
	b := DefaultBackoff()
	seconds := make([]float64, len(b.Pauses))
	for i, p := range b.Pauses {
		seconds[i] = p.Seconds()
	}
	if want := []float64{5, 10, 20, 40, 80, 160, 320}; !slices.Equal(seconds, want) || b.attempts() != 8 {
		t.Errorf("pauses %v and %d attempts", seconds, b.attempts())
	}
	if got := Doubling(4, time.Second, 3*time.Second, 0).Pauses; !slices.Equal(got, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}) {
		t.Errorf("pauses %v", got)
	}
	if got := Doubling(1, time.Second, time.Second, 0); got.Pauses == nil || got.attempts() != 1 {
		t.Errorf("of one attempt %+v", got)
	}
	lowest, highest := time.Hour, time.Duration(0)
	for range 1000 {
		p := b.pause(1)
		lowest, highest = min(lowest, p), max(highest, p)
	}
	if lowest < 4*time.Second || highest > 6*time.Second || highest-lowest < time.Second {
		t.Errorf("the first pause is from %v to %v", lowest, highest)
	}
}
