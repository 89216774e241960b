package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Dialect is the faults that one simulator knows.
type Dialect struct {
	Early    []Kind             // those that never ask what the right answer would be
	Late     []Kind             // those that spoil a right answer
	Keys     []string           // those of a fault's fields, as flags and JSON have them
	HugeSize int64              // bytes of Huge if the fault does not say
	Complete func(*Fault) error // fills in and checks what is the simulator's own
}

const (
	maxDelay = time.Hour
	maxFor   = 24 * time.Hour
	maxHuge  = 1 << 30
)

// Parse reads a fault from a flag: keys with values, separated by commas, such as
// "status=503,times=3". What stands alone is the value of the key "kind". Every key
// is set once.
func (d Dialect) Parse(text string) (Fault, error) {
	var f Fault
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, assigned := strings.Cut(strings.TrimSpace(part), "=")
		if !assigned {
			key, value = "kind", key
		}
		if seen[key] {
			return Fault{}, fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		if !slices.Contains(d.Keys, key) {
			return Fault{}, fmt.Errorf("unknown key %q, not one of %s", key, strings.Join(d.Keys, ", "))
		}
		if err := f.set(key, value); err != nil {
			return Fault{}, err
		}
	}
	return d.complete(f)
}

// read reads a fault from JSON, and refuses keys that the dialect lacks.
func (d Dialect) read(text []byte) (Fault, error) {
	var f Fault
	if err := json.Unmarshal(text, &f); err != nil {
		return Fault{}, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return Fault{}, err
	}
	for key := range keys {
		if key != "id" && !slices.ContainsFunc(d.Keys, func(known string) bool { return strings.EqualFold(key, known) }) {
			return Fault{}, fmt.Errorf("unknown field %q", key)
		}
	}
	return f, nil
}

// complete checks a fault, with the kind that follows from its status or delay if
// it names none.
func (d Dialect) complete(f Fault) (Fault, error) {
	if err := d.Complete(&f); err != nil {
		return Fault{}, err
	}
	switch {
	case f.Kind != "":
	case f.Status != 0:
		f.Kind = Status
	case f.Delay != 0:
		f.Kind = Delay
	}
	return f, d.check(&f)
}

func (d Dialect) check(f *Fault) error {
	kinds := slices.Concat(d.Early, d.Late)
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("kind is %q, not one of %v", f.Kind, kinds)
	case min(f.Times, f.Every, f.After, f.Burst) < 0:
		return errors.New("times, every, after or burst is negative")
	case f.Burst > f.Every:
		return errors.New("burst is more than every: it says how many of every so many requests are hit")
	case !(f.Chance >= 0 && f.Chance <= 1): // so that not-a-number is refused too
		return errors.New("probability is not between 0 and 1")
	case f.Delay < 0 || f.Delay > maxDelay:
		return fmt.Errorf("delay is %v, not between 0 and %v", f.Delay, maxDelay)
	case f.For < 0 || f.For > maxFor:
		return fmt.Errorf("for is %v, not between 0 and %v", f.For, maxFor)
	case (f.Kind == Delay || f.Kind == Slow) && f.Delay == 0:
		return fmt.Errorf("kind %s needs a delay, such as delay=2s", f.Kind)
	case (f.Kind == Status || f.Status != 0) && (f.Status < 200 || f.Status > 599):
		return errors.New("kind status needs a status between 200 and 599")
	case f.Size < 0 || f.Size > maxHuge:
		return fmt.Errorf("size is %d, not between 0 and %d", f.Size, maxHuge)
	case strings.ContainsAny(f.RetryAfter+f.Location, "\r\n"):
		return errors.New("a header value holds a line break")
	}
	return nil
}
