package wms

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ferryman/internal/sandbox/faults"
)

// Kind is a way of misbehaving.
type Kind string

// The kinds. The first group never asks what the right answer would be; the
// second spoils a right answer, and so leaves refusals (401, 404) alone.
const (
	Refuse   Kind = "refuse"   // the connection is cut at once
	Hang     Kind = "hang"     // no answer until the client goes or the fault, if not used up, is deleted
	Delay    Kind = "delay"    // the answer comes late
	Status   Kind = "status"   // Fault.Status instead of the answer, with Retry-After if given
	Redirect Kind = "redirect" // to Fault.Location

	Reset        Kind = "reset"         // the connection is cut in the middle of the answer
	Truncate     Kind = "truncate"      // Content-Length promises more than comes
	InvalidJSON  Kind = "invalid_json"  // the text ends in mid-token, and says it is whole
	WrongType    Kind = "wrong_type"    // Fault.Field gets a value of another type
	MissingField Kind = "missing_field" // Fault.Field is left out
	Huge         Kind = "huge"          // the answer is padded to Fault.Size
)

var (
	early = []Kind{Refuse, Hang, Delay, Status, Redirect}
	late  = []Kind{Reset, Truncate, InvalidJSON, WrongType, MissingField, Huge}
)

// Fault is one misbehaviour to order. Its kind may be left out where it follows
// from the status or the delay.
type Fault struct {
	ID         int           `json:"id,omitempty"`          // given by Inject
	Kind       Kind          `json:"kind"`                  //
	Path       string        `json:"path,omitempty"`        // as in Hold; "" is every call
	Times      int           `json:"times,omitempty"`       // how many requests it hits; 0 is all until it is deleted
	Status     int           `json:"status,omitempty"`      // of Status (needed) and Redirect (302 if 0)
	Delay      time.Duration `json:"-"`                     // before any of the kinds; needed by Delay
	RetryAfter string        `json:"retry_after,omitempty"` // the header as it is sent
	Location   string        `json:"location,omitempty"`    // of Redirect; a page of the sandbox if empty
	Field      string        `json:"field,omitempty"`       // such as "email" or "warehouses.0.name"
	Size       int64         `json:"size,omitempty"`        // bytes of Huge; 20 MiB if 0
}

const (
	maxFaults    = 100
	maxDelay     = time.Hour
	maxHuge      = 1 << 30
	defaultHuge  = 20 << 20
	faultKeyList = "kind, path, times, status, delay, retry_after, location, field, size"
)

// ParseFault reads a fault from a flag, such as
// "status=503,retry_after=2,path=/iam/users/me,times=3", "refuse,path=/auth" or
// "delay=2s". The kind may stand alone, as kind=…, or follow from status or delay.
func ParseFault(text string) (Fault, error) {
	var f Fault
	err := faults.Parse(text, f.set)
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
	switch key {
	case "kind":
		f.Kind = Kind(value)
	case "path":
		f.Path = value
	case "retry_after":
		f.RetryAfter = value
	case "location":
		f.Location = value
	case "field":
		f.Field = value
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "status":
		f.Status, err = strconv.Atoi(value)
	case "size":
		f.Size, err = strconv.ParseInt(value, 10, 64)
	case "delay":
		if f.Delay, err = time.ParseDuration(value); err != nil {
			return fmt.Errorf("delay is %q, not a duration such as 1500ms", value)
		}
	default:
		return fmt.Errorf("unknown key %q, not one of %s", key, faultKeyList)
	}
	if err != nil {
		return fmt.Errorf("%s is %q, not a whole number", key, value)
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
	return f, f.check()
}

func (f Fault) check() error {
	switch {
	case !slices.Contains(early, f.Kind) && !slices.Contains(late, f.Kind):
		return fmt.Errorf("kind is %q, not one of %v", f.Kind, append(slices.Clone(early), late...))
	case f.Times < 0:
		return errors.New("times is negative; 0 means until the fault is deleted")
	case f.Delay < 0 || f.Delay > maxDelay:
		return fmt.Errorf("delay is %v, not between 0 and %v", f.Delay, maxDelay)
	case f.Kind == Delay && f.Delay == 0:
		return errors.New("kind delay needs a delay, such as delay=2s")
	case f.Kind == Status && (f.Status < 200 || f.Status > 599):
		return errors.New("kind status needs a status between 200 and 599")
	case f.Kind == Redirect && f.Status != 0 && (f.Status < 300 || f.Status > 399):
		return errors.New("a redirect's status is between 300 and 399")
	case (f.Kind == WrongType || f.Kind == MissingField) && f.Field == "":
		return fmt.Errorf("kind %s needs a field, such as field=email", f.Kind)
	case f.Size < 0 || f.Size > maxHuge:
		return fmt.Errorf("size is %d, not between 0 and %d", f.Size, maxHuge)
	case strings.ContainsAny(f.RetryAfter+f.Location, "\r\n"):
		return errors.New("a header value holds a line break")
	}
	return checkPath(f.Path)
}

func checkPath(path string) error {
	if path == "" || slices.ContainsFunc(patterns(), func(p string) bool { return matches(p, path) }) {
		return nil
	}
	return fmt.Errorf("path %q is none of the API's, which are %s", path, strings.Join(patterns(), ", "))
}

// patterns are the paths of the simulated calls, below the base.
func patterns() []string { return []string{authPattern, mePattern, warehousesPattern} }

// matches tells whether path is a pattern itself, or a path that it stands for.
func matches(pattern, path string) bool {
	if path == pattern {
		return true
	}
	before, after, wild := strings.Cut(pattern, "{id}")
	middle, ok := strings.CutPrefix(path, before)
	if !wild || !ok {
		return false
	}
	id, ok := strings.CutSuffix(middle, after)
	return ok && id != "" && !strings.Contains(id, "/")
}

// MarshalJSON writes the delay as a duration, such as "1.5s".
func (f Fault) MarshalJSON() ([]byte, error) {
	type plain Fault
	var delay string
	if f.Delay != 0 {
		delay = f.Delay.String()
	}
	return json.Marshal(struct {
		plain
		Delay string `json:"delay,omitempty"`
	}{plain(f), delay})
}

// UnmarshalJSON reads what MarshalJSON writes, and refuses other keys.
func (f *Fault) UnmarshalJSON(text []byte) error {
	type plain Fault
	all := struct {
		*plain
		Delay string `json:"delay"`
	}{plain: (*plain)(f)}
	// A decoder hands its strictness on to no method such as this one.
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil || all.Delay == "" {
		return err
	}
	return f.set("delay", all.Delay)
}

// faultList is the faults in force.
type faultList struct {
	mu   sync.Mutex
	last int
	list []*ordered
}

type ordered struct {
	Fault
	left int           // when Times is not 0
	gone chan struct{} // closed when the fault is deleted
}

// Inject orders a fault and returns its id. Of several that fit a request, the
// one ordered first is taken.
func (s *Server) Inject(f Fault) (int, error) {
	f, err := f.complete()
	if err != nil {
		return 0, err
	}
	l := &s.faults
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= maxFaults {
		return 0, fmt.Errorf("more than %d faults", maxFaults)
	}
	l.last++
	f.ID = l.last
	l.list = append(l.list, &ordered{Fault: f, left: f.Times, gone: make(chan struct{})})
	return f.ID, nil
}

// ClearFaults deletes the fault with the id, or all of them when it is 0. It
// tells how many there were; requests that hang in them are let go.
func (s *Server) ClearFaults(id int) int {
	l := &s.faults
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.list)
	l.list = slices.DeleteFunc(l.list, func(o *ordered) bool {
		if id == 0 || o.ID == id {
			close(o.gone)
			return true
		}
		return false
	})
	return before - len(l.list)
}

// take finds the first fault of the kinds that fits the request, and uses it up.
func (l *faultList) take(kinds []Kind, pattern, path string) *ordered {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, o := range l.list {
		if !slices.Contains(kinds, o.Kind) || !covers(o.Path, pattern, path) {
			continue
		}
		if o.Times != 0 {
			if o.left--; o.left == 0 {
				l.list = slices.Delete(l.list, i, i+1)
			}
		}
		return o
	}
	return nil
}

func (l *faultList) all() []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Fault, 0, len(l.list))
	for _, o := range l.list {
		f := o.Fault
		f.Times = o.left
		list = append(list, f)
	}
	return list
}
