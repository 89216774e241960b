package wms

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/sandbox/faults"
)

// Fault is one misbehaviour to order.
type Fault = faults.Fault

// The kinds. The first group never asks what the right answer would be; the
// second spoils a right answer, and so leaves refusals (401, 404) alone.
const (
	Refuse   = faults.Refuse
	Hang     = faults.Hang
	Delay    = faults.Delay
	Status   = faults.Status
	Redirect = faults.Kind("redirect") // to Fault.Location, or a page of the sandbox; with Fault.Status, 302 if 0

	Reset        = faults.Reset
	Truncate     = faults.Truncate
	InvalidJSON  = faults.InvalidJSON
	WrongType    = faults.Kind("wrong_type")    // Fault.Field gets a value of another type
	MissingField = faults.Kind("missing_field") // Fault.Field is left out
	Huge         = faults.Huge
)

func dialect() faults.Dialect {
	return faults.Dialect{
		Early:    []faults.Kind{Refuse, Hang, Delay, Status, Redirect},
		Late:     []faults.Kind{Reset, Truncate, InvalidJSON, WrongType, MissingField, Huge},
		Keys:     []string{"kind", "path", "times", "status", "delay", "retry_after", "location", "field", "size"},
		HugeSize: 20 << 20,
		Complete: check,
	}
}

// ParseFault reads a fault from a flag, such as
// "status=503,retry_after=2,path=/iam/users/me,times=3", "refuse,path=/auth" or
// "delay=2s". The kind may stand alone, as kind=…, or follow from status or delay.
// The path is as in Hold.
func ParseFault(text string) (Fault, error) {
	f, err := dialect().Parse(text)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return f, nil
}

func check(f *Fault) error {
	switch {
	case f.Kind == Redirect && f.Status != 0 && (f.Status < 300 || f.Status > 399):
		return errors.New("a redirect's status is between 300 and 399")
	case (f.Kind == WrongType || f.Kind == MissingField) && f.Field == "":
		return fmt.Errorf("kind %s needs a field, such as field=email", f.Kind)
	}
	return checkPath(f.Path)
}

// Inject orders a fault and returns its id. Of several that fit a request, the
// one ordered first is taken.
func (s *Server) Inject(f Fault) (int, error) { return s.faults.Inject(f) }

// ClearFaults deletes the fault with the id, or all of them when it is 0. It
// tells how many there were; requests that hang in them are let go.
func (s *Server) ClearFaults(id int) int { return s.faults.Clear(id) }

// take uses up a fault that hits the request, one of those that spoil answers or one
// of the others.
func (s *Server) take(late bool, pattern, path string) *faults.Ordered {
	return s.faults.Take(late, func(f *Fault) bool { return covers(f.Path, pattern, path) })
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
