// Package doctor looks whether what a server needs is there, and says what to do where
// it is not. It changes nothing. No finding holds a secret: addresses are shown without
// path, query and password.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ferryman/internal/fault"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, and something is not as it should be
	Problem Level = "problem" // the server, or a part of it, does not work
)

// Finding is one thing that was looked at.
type Finding struct {
	Check  string `json:"check"` // such as store
	Level  Level  `json:"level"`
	Detail string `json:"detail"`           // what there is
	Remedy string `json:"remedy,omitempty"` // what to do; "" where all is well
}

// Check looks at one thing.
type Check struct {
	Name string
	// Look finds at least one thing; it leaves Finding.Check to Run.
	Look func(context.Context) []Finding
}

// Patience bounds how long one check may take: a large SQLite file is read as a whole.
const Patience = time.Minute

// Run does all checks side by side and gives what they found, in their order.
func Run(ctx context.Context, checks []Check) []Finding {
	found := make([][]Finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { found[i] = c.look(ctx) })
	}
	wg.Wait()
	var all []Finding
	for _, some := range found {
		all = append(all, some...)
	}
	return all
}

// look does the check within its time. One that panics is a problem of its own.
func (c Check) look(ctx context.Context) (found []Finding) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			found = []Finding{problem("", "the check broke off: %v", v)}
		}
		for i := range found {
			found[i].Check = c.Name
		}
	}()
	return c.Look(ctx)
}

// Healthy tells whether there is no problem among findings.
func Healthy(all []Finding) bool {
	for _, f := range all {
		if f.Level == Problem {
			return false
		}
	}
	return true
}

// Told is a check whose findings are known.
func Told(name string, found ...Finding) Check {
	return Check{name, func(context.Context) []Finding { return found }}
}

// Try is a check that is well if something goes well, and else has its fault's hint for a
// remedy.
func Try(name, well string, try func(context.Context) error) Check {
	return Check{name, func(ctx context.Context) []Finding {
		if err := try(ctx); err != nil {
			return []Finding{failed(err)}
		}
		return []Finding{Well("%s", well)}
	}}
}

// Ask is Try for what the server can do without: where it does not go well is a warning.
func Ask(name, well string, try func(context.Context) error) Check {
	return Check{name, func(ctx context.Context) []Finding {
		if err := try(ctx); err != nil {
			f := failed(err)
			f.Level = Warning
			return []Finding{f}
		}
		return []Finding{Well("%s", well)}
	}}
}

// Well is a finding of what is as it should be.
func Well(format string, args ...any) Finding {
	return Finding{Level: OK, Detail: fmt.Sprintf(format, args...)}
}

// Doubtful is a warning.
func Doubtful(remedy, format string, args ...any) Finding {
	return Finding{Level: Warning, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

func problem(remedy, format string, args ...any) Finding {
	return Finding{Level: Problem, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

// failed makes a problem of an error. The hint of a fault is its remedy.
func failed(err error) Finding {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Hint != "" {
		plain := *f
		plain.Hint = ""
		return problem(f.Hint, "%v", &plain)
	}
	return problem("", "%v", err)
}
