// Package faults is what the simulators have in common: the faults that are ordered
// of them, what these do to an answer, and how they are told by flag, by the control
// API and on its pages. Which faults a simulator knows, and which requests each of
// them hits, is its own; see Dialect.
package faults

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Kind is a way of misbehaving.
type Kind string

// The kinds that more than one simulator may have. The first group never asks what
// the right answer would be; the second spoils a right answer, and so leaves
// refusals alone.
const (
	Refuse Kind = "refuse" // the connection is cut at once
	Hang   Kind = "hang"   // no answer until the client goes or the fault, if not used up, is deleted
	Delay  Kind = "delay"  // the answer comes late
	Status Kind = "status" // Fault.Status instead of the answer, with Retry-After if given

	Reset       Kind = "reset"        // the connection is cut in the middle of the answer
	Mute        Kind = "mute"         // as Hang, after the request has had its effect
	Truncate    Kind = "truncate"     // Content-Length promises more than comes
	InvalidJSON Kind = "invalid_json" // the text ends in mid-token, and says it is whole
	Slow        Kind = "slow"         // the answer trickles in, over Fault.Delay
	Garbage     Kind = "garbage"      // a page of HTML, with a status of 200
	Empty       Kind = "empty"        // nothing, with a status of 200
	Huge        Kind = "huge"         // the answer is padded to Fault.Size
)

// Fault is one misbehaviour to order. Its kind may be left out where it follows from
// the code, the status or the delay. No simulator has all of the fields.
type Fault struct {
	ID         int           `json:"id,omitempty"`          // given when it is ordered
	Kind       Kind          `json:"kind"`                  //
	Messenger  string        `json:"messenger,omitempty"`   // which it hits; "" is all of them
	Path       string        `json:"path,omitempty"`        // of the calls that it hits; "" is every call
	Recipient  string        `json:"recipient,omitempty"`   // "" is everybody; of a webhook it is the name in the path
	Times      int           `json:"times,omitempty"`       // how many requests it hits; 0 is all until it is deleted
	Every      int           `json:"every,omitempty"`       // hits only the K-th of every K requests that fit
	After      int           `json:"after,omitempty"`       // overlooks the first so many that fit
	Burst      int           `json:"burst,omitempty"`       // with Every: hits the last so many of every K; 1 if 0
	Chance     float64       `json:"probability,omitempty"` // hits only that share of the requests that fit, by chance
	Seed       uint64        `json:"seed,omitempty"`        // of the chance: the same seed, the same hits
	For        time.Duration `json:"-"`                     // from when it is ordered; 0 is until it is deleted
	Status     int           `json:"status,omitempty"`      // of Status (needed); also of other kinds that answer with one
	Code       int           `json:"code,omitempty"`        // a vendor's number of an error
	Delay      time.Duration `json:"-"`                     // before any of the kinds, needed by Delay; the length of Slow
	RetryAfter string        `json:"retry_after,omitempty"` // the header as it is sent
	Location   string        `json:"location,omitempty"`    // the header, of an answer that redirects
	Field      string        `json:"field,omitempty"`       // of the answer, such as "email" or "warehouses.0.name"
	Size       int64         `json:"size,omitempty"`        // bytes of Huge; the simulator's default if 0
}

// set gives the field of a key its value, as a flag has it.
func (f *Fault) set(key, value string) error {
	var err error
	kind := "whole number"
	switch field := f.field(key).(type) {
	case *Kind:
		*field = Kind(value)
	case *string:
		*field = value
	case *int:
		*field, err = strconv.Atoi(value)
	case *int64:
		*field, err = strconv.ParseInt(value, 10, 64)
	case *uint64:
		*field, err = strconv.ParseUint(value, 10, 64)
	case *float64:
		kind = "number such as 0.05"
		*field, err = strconv.ParseFloat(value, 64)
	case *time.Duration:
		kind = "duration such as 1500ms"
		*field, err = time.ParseDuration(value)
	}
	if err != nil {
		return fmt.Errorf("%s is %q, not a %s", key, value, kind)
	}
	return nil
}

// field points to the field of a key.
func (f *Fault) field(key string) any {
	return map[string]any{
		"kind": &f.Kind, "messenger": &f.Messenger, "path": &f.Path, "recipient": &f.Recipient,
		"times": &f.Times, "every": &f.Every, "after": &f.After, "burst": &f.Burst, "probability": &f.Chance, "seed": &f.Seed, "for": &f.For,
		"status": &f.Status, "code": &f.Code, "delay": &f.Delay, "retry_after": &f.RetryAfter, "location": &f.Location,
		"field": &f.Field, "size": &f.Size,
	}[key]
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

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fault) UnmarshalJSON(text []byte) error {
	type plain Fault
	all := struct {
		*plain
		durations
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(text, &all); err != nil {
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
