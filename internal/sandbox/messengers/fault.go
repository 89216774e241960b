package messengers

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

// The kinds. With those of the first group the message does not arrive, but for
// Delay and a Hang that is deleted; they hit every request. Those of the second
// hit only messages that are accepted, and these do arrive: what the sender sees
// is a failure, or nothing.
const (
	Refuse Kind = "refuse" // the connection is cut, before the message is read if no recipient is named
	Hang   Kind = "hang"   // no answer until the client goes or the fault, if not used up, is deleted
	Delay  Kind = "delay"  // the answer comes late
	Status Kind = "status" // Fault.Status instead of the answer, as from a gateway
	Code   Kind = "code"   // the vendor's error Fault.Code

	Reset       Kind = "reset"        // the message is taken, and the connection is cut without an answer
	Mute        Kind = "mute"         // the message is taken, and no answer comes until the client goes or, as with Hang, the fault
	Truncate    Kind = "truncate"     // Content-Length promises more than comes
	InvalidJSON Kind = "invalid_json" // the text ends in mid-token, and says it is whole
	Huge        Kind = "huge"         // the answer is padded to Fault.Size
)

var (
	early = []Kind{Refuse, Hang, Delay, Status, Code}
	late  = []Kind{Reset, Mute, Truncate, InvalidJSON, Huge}
)

// Fault is one misbehaviour to order. Its kind may be left out where it follows
// from the code, the status or the delay.
type Fault struct {
	ID         int           `json:"id,omitempty"`          // given by Inject
	Kind       Kind          `json:"kind"`                  //
	Messenger  Messenger     `json:"messenger,omitempty"`   // "" is all of them
	Recipient  string        `json:"recipient,omitempty"`   // "" is everybody; of a webhook it is the name in the path
	Times      int           `json:"times,omitempty"`       // how many requests it hits; 0 is all until it is deleted
	Every      int           `json:"every,omitempty"`       // hits only the K-th of every K requests that fit
	Burst      int           `json:"burst,omitempty"`       // with Every: hits the last so many of every K; 1 if 0
	Chance     float64       `json:"probability,omitempty"` // hits only that share of the requests that fit, by chance
	Seed       uint64        `json:"seed,omitempty"`        // of the chance: the same seed, the same hits
	For        time.Duration `json:"-"`                     // from when it is ordered; 0 is until it is deleted
	Status     int           `json:"status,omitempty"`      // of Status (needed); with Code the HTTP status of the error
	Code       int           `json:"code,omitempty"`        // of Code
	Delay      time.Duration `json:"-"`                     // before any of the kinds; needed by Delay
	RetryAfter string        `json:"retry_after,omitempty"` // the header as it is sent; whole seconds are Telegram's parameter
	Location   string        `json:"location,omitempty"`    // the header, of a Status that redirects
	Size       int64         `json:"size,omitempty"`        // bytes of Huge; 1 MiB if 0
}

const (
	maxFaults    = 100
	maxDelay     = time.Hour
	maxFor       = 24 * time.Hour
	maxHuge      = 1 << 30
	defaultHuge  = 1 << 20
	faultKeyList = "kind, messenger, recipient, times, every, burst, probability, seed, for, status, code, delay, retry_after, location, size"
)

// prefixes are what the text of a fault may begin with, before a colon.
func prefixes() []string {
	list := []string{"messengers"}
	for _, m := range all {
		list = append(list, string(m))
	}
	return list
}

// cutPrefix takes a messenger's name and its colon from the front of a fault's text.
func cutPrefix(text string) (name, rest string, found bool) {
	name, rest, found = strings.Cut(text, ":")
	if !found || strings.ContainsAny(name, "=,") {
		return "", text, false
	}
	return strings.TrimSpace(name), rest, true
}

// IsFault tells whether a text names a messenger, or something in its place, and
// is so for ParseFault to read.
func IsFault(text string) bool {
	_, _, found := cutPrefix(text)
	return found
}

// ParseFault reads a fault from a flag, such as "telegram:status=503,times=3",
// "whatsapp:code=131056,recipient=49151", "messengers:refuse,for=30s" or
// "reset,every=100". The messenger in front, or "messengers" for all of them, may
// be left out. The kind may stand alone, as kind=…, or follow from code, status
// or delay.
func ParseFault(text string) (Fault, error) {
	var f Fault
	name, rest, found := cutPrefix(text)
	var given []string
	if found {
		if !slices.Contains(prefixes(), name) {
			return Fault{}, fmt.Errorf("fault %q: %q is none of %s", text, name, strings.Join(prefixes(), ", "))
		}
		if name != prefixes()[0] {
			f.Messenger = Messenger(name)
		}
		given = append(given, "messenger")
	}
	err := faults.Parse(rest, f.set, given...)
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
	case "messenger":
		f.Messenger = Messenger(value)
	case "recipient":
		f.Recipient = value
	case "retry_after":
		f.RetryAfter = value
	case "location":
		f.Location = value
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "every":
		f.Every, err = strconv.Atoi(value)
	case "burst":
		f.Burst, err = strconv.Atoi(value)
	case "status":
		f.Status, err = strconv.Atoi(value)
	case "code":
		f.Code, err = strconv.Atoi(value)
	case "seed":
		f.Seed, err = strconv.ParseUint(value, 10, 64)
	case "size":
		f.Size, err = strconv.ParseInt(value, 10, 64)
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

// complete checks f, with the kind that follows from its code, status or delay if
// it names none.
func (f Fault) complete() (Fault, error) {
	switch {
	case f.Kind != "":
	case f.Code != 0:
		f.Kind = Code
	case f.Status != 0:
		f.Kind = Status
	case f.Delay != 0:
		f.Kind = Delay
	}
	return f, f.check()
}

func (f Fault) check() error {
	switch {
	case !slices.Contains(early, f.Kind) && !slices.Contains(late, f.Kind):
		return fmt.Errorf("kind is %q, not one of %v", f.Kind, append(slices.Clone(early), late...))
	case f.Messenger != "" && f.Messenger.index() < 0:
		return fmt.Errorf("messenger is %q, not one of %v", f.Messenger, all)
	case f.Times < 0 || f.Every < 0 || f.Burst < 0:
		return errors.New("times, every or burst is negative")
	case f.Burst > f.Every:
		return errors.New("burst is more than every: it says how many of every so many requests are hit")
	case !(f.Chance >= 0 && f.Chance <= 1): // so that not-a-number is refused too
		return errors.New("probability is not between 0 and 1")
	case f.Delay < 0 || f.Delay > maxDelay:
		return fmt.Errorf("delay is %v, not between 0 and %v", f.Delay, maxDelay)
	case f.For < 0 || f.For > maxFor:
		return fmt.Errorf("for is %v, not between 0 and %v", f.For, maxFor)
	case f.Kind == Delay && f.Delay == 0:
		return errors.New("kind delay needs a delay, such as delay=2s")
	case f.Kind == Code && f.Code < 1:
		return errors.New("kind code needs a code, such as code=403")
	case f.Kind == Code && f.Messenger == "":
		return errors.New("a code needs its messenger, such as telegram:code=403")
	case (f.Kind == Status || f.Status != 0) && (f.Status < 200 || f.Status > 599):
		return errors.New("kind status needs a status between 200 and 599")
	case f.Size < 0 || f.Size > maxHuge:
		return fmt.Errorf("size is %d, not between 0 and %d", f.Size, maxHuge)
	case strings.ContainsAny(f.RetryAfter+f.Location, "\r\n"):
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
