package campaign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/sandbox/faults"
)

// Kind is a way of misbehaving.
type Kind string

// The kinds. The first group never asks what the right answer would be; the
// second spoils a right answer, and so leaves refusals alone.
const (
	Refuse Kind = "refuse" // the connection is cut at once
	Hang   Kind = "hang"   // no answer until the client goes or the fault, if not used up, is deleted
	Delay  Kind = "delay"  // the answer comes late
	Status Kind = "status" // Fault.Status instead of the answer, with Retry-After if given

	Reset       Kind = "reset"        // the connection is cut in the middle of the answer
	Truncate    Kind = "truncate"     // Content-Length promises more than comes
	InvalidJSON Kind = "invalid_json" // the text ends in mid-token, and says it is whole
	Slow        Kind = "slow"         // the answer trickles in, over Fault.Delay
	Garbage     Kind = "garbage"      // a page of HTML, with a status of 200
	Empty       Kind = "empty"        // nothing, with a status of 200
)

var (
	early = []Kind{Refuse, Hang, Delay, Status}
	late  = []Kind{Reset, Truncate, InvalidJSON, Slow, Garbage, Empty}
)

// Fault is one misbehaviour to order. Its kind may be left out where it follows
// from the status or the delay.
type Fault struct {
	ID         int           `json:"id,omitempty"`          // given when it is ordered
	Kind       Kind          `json:"kind"`                  //
	Path       string        `json:"path,omitempty"`        // one of the API's below the campaign, such as "contacts/list"; "" is every call
	Times      int           `json:"times,omitempty"`       // how many requests it hits; 0 is all until it is deleted
	Every      int           `json:"every,omitempty"`       // hits only the K-th of every K requests that fit
	After      int           `json:"after,omitempty"`       // overlooks the first so many that fit
	Chance     float64       `json:"probability,omitempty"` // hits only that share of the requests that fit, by chance
	Seed       uint64        `json:"seed,omitempty"`        // of the chance: the same seed, the same hits
	For        time.Duration `json:"-"`                     // from when it is ordered; 0 is until it is deleted
	Status     int           `json:"status,omitempty"`      // of Status
	Delay      time.Duration `json:"-"`                     // before any of the kinds, needed by Delay; the length of Slow
	RetryAfter string        `json:"retry_after,omitempty"` // the header as it is sent
}

const (
	maxFaults    = 100
	maxDelay     = time.Hour
	maxFor       = 24 * time.Hour
	faultPrefix  = "campaign:"
	faultKeyList = "kind, path, times, every, after, probability, seed, for, status, delay, retry_after"
)

// IsFault tells whether a text is for ParseFault to read: it begins with "campaign:".
func IsFault(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), faultPrefix) }

// ParseFault reads a fault from a flag, such as
// "campaign:status=429,retry_after=2,path=contacts/list,times=3", "reset,every=10"
// or "campaign:slow,delay=5s". The kind may stand alone, as kind=…, or follow from
// status or delay.
func ParseFault(text string) (Fault, error) {
	var f Fault
	err := faults.Parse(strings.TrimPrefix(strings.TrimSpace(text), faultPrefix), f.set)
	if err == nil {
		f, err = f.complete()
	}
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return f, nil
}

func (f *Fault) set(key, value string) error {
	var err error
	kind := "whole number"
	switch key {
	case "kind":
		f.Kind = Kind(value)
	case "path":
		f.Path = value
	case "retry_after":
		f.RetryAfter = value
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "every":
		f.Every, err = strconv.Atoi(value)
	case "after":
		f.After, err = strconv.Atoi(value)
	case "status":
		f.Status, err = strconv.Atoi(value)
	case "seed":
		f.Seed, err = strconv.ParseUint(value, 10, 64)
	case "probability":
		kind = "number such as 0.05"
		f.Chance, err = strconv.ParseFloat(value, 64)
	case "delay":
		kind = "duration such as 1500ms"
		f.Delay, err = time.ParseDuration(value)
	case "for":
		kind = "duration such as 30s"
		f.For, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("unknown key %q, not one of %s", key, faultKeyList)
	}
	if err != nil {
		return fmt.Errorf("%s is %q, not a %s", key, value, kind)
	}
	return nil
}

// complete checks f, with the kind that follows from its status or delay if it
// names none.
func (f Fault) complete() (Fault, error) {
	switch {
	case f.Kind != "":
	case f.Status != 0:
		f.Kind = Status
	case f.Delay != 0:
		f.Kind = Delay
	}
	f.Path = strings.TrimPrefix(f.Path, "/")
	return f, f.check()
}

func (f Fault) check() error {
	switch {
	case !slices.Contains(early, f.Kind) && !slices.Contains(late, f.Kind):
		return fmt.Errorf("kind is %q, not one of %v", f.Kind, append(slices.Clone(early), late...))
	case f.Path != "" && !slices.Contains(endpoints[:], f.Path):
		return fmt.Errorf("path is %q, not one of %v", f.Path, endpoints)
	case f.Times < 0 || f.Every < 0 || f.After < 0:
		return errors.New("times, every or after is negative")
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
	case strings.ContainsAny(f.RetryAfter, "\r\n"):
		return errors.New("a header value holds a line break")
	}
	return nil
}

// durations are the fields of a Fault that JSON has as text, such as "1.5s".
type durations struct {
	Delay string `json:"delay,omitempty"`
	For   string `json:"for,omitempty"`
}

// MarshalJSON writes durations as text.
func (f Fault) MarshalJSON() ([]byte, error) {
	type plain Fault
	var d durations
	if f.Delay != 0 {
		d.Delay = f.Delay.String()
	}
	if f.For != 0 {
		d.For = f.For.String()
	}
	return json.Marshal(struct {
		plain
		durations
	}{plain(f), d})
}

// UnmarshalJSON reads what MarshalJSON writes, and refuses other keys.
func (f *Fault) UnmarshalJSON(text []byte) error {
	type plain Fault
	all := struct {
		*plain
		durations
	}{plain: (*plain)(f)}
	// A decoder hands its strictness on to no method such as this one.
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return err
	}
	for key, value := range map[string]string{"delay": all.durations.Delay, "for": all.durations.For} {
		if value == "" {
			continue
		}
		if err := f.set(key, value); err != nil {
			return err
		}
	}
	return nil
}
