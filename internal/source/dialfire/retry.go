package dialfire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ferryman/internal/fault"
)

// trouble tells what a failed call is a sign of.
type trouble uint8

const (
	final   trouble = iota // the same call would fare the same
	own                    // perhaps of this request: others may fare better
	general                // of the API as a whole, or of the way to it
	refused                // the token
)

// maxBroken bounds how often an answer is asked for that cannot be read: beyond that
// it is no accident on the way.
const maxBroken = 6

// weigh tells what trouble err is a sign of.
func weigh(status int, err error) trouble {
	switch kind := fault.KindOf(err); {
	case kind == fault.TooLarge:
		return final
	case isBroken(err):
		return own
	case kind == fault.Unauthorized, kind == fault.Forbidden:
		return refused
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return general
	case kind == fault.Timeout:
		return own
	case kind == fault.Unavailable:
		switch fault.CodeOf(err) {
		case "reset", "truncated", "transport", "upstream_error":
			return own
		}
		return general
	case fault.Temporary(err):
		return general
	default:
		return final
	}
}

// call makes a call until it succeeds, as long as patience lasts and there is hope.
// decode may be called several times. Its errors are those of an answer that is
// broken, which may be whole the next time.
func (a *api) call(ctx context.Context, r request, decode func([]byte) error) error {
	begun := time.Now()
	refusals, owns, broken := 0, 0, 0
	for attempt := 1; ; attempt++ {
		if err := a.gate.wait(ctx); err != nil {
			return err
		}
		token, err := a.token.current()
		if err != nil {
			return err
		}
		status, asked, err := a.once(ctx, r, token, decode)
		if err == nil || ctx.Err() != nil {
			return err
		}
		wait := a.tempo.pause(attempt)
		switch weigh(status, err) {
		case final:
			return err
		case refused:
			another, later := a.token.renew(token)
			if another && refusals < len(a.tempo.refused) {
				refusals++
				continue
			}
			if !later || refusals == len(a.tempo.refused) {
				return refusedToken(err)
			}
			wait = a.tempo.refused[refusals]
			refusals++
			a.gate.hold(wait)
		case own:
			owns++
			if isBroken(err) {
				broken++
			}
			// What takes too long for a group may not for a part of it.
			if owns == r.tries || broken == maxBroken || r.tries > 0 && fault.KindOf(err) == fault.Timeout {
				return err
			}
		case general:
			wait = max(wait, asked)
			if status != 0 {
				a.gate.hold(min(wait, a.patience-time.Since(begun)))
			}
		}
		patience := a.patience
		if r.unreachable > 0 && status == 0 {
			patience = min(patience, r.unreachable)
		}
		left := patience - time.Since(begun)
		if left <= 0 {
			return exhausted(err, attempt, patience)
		}
		wait = min(wait, left)
		a.retries.Add(1)
		a.tell(ctx, attempt, wait, err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (a *api) tell(ctx context.Context, attempt int, wait time.Duration, err error) {
	if attempt == 1 { // nothing worth a person's time yet
		a.log.DebugContext(ctx, "call failed, trying again", "attempt", attempt, "pause", wait, "err", err)
		return
	}
	a.log.WarnContext(ctx, "call failed, trying again", "attempt", attempt, "pause", wait, "err", err)
}

// exhausted is the last error of a call that was given up.
func exhausted(err error, attempts int, patience time.Duration) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	e := *f
	e.Detail += fmt.Sprintf("; given up after %d tries in %s", attempts, patience)
	if e.Hint == "" {
		e.Hint = "nothing is lost; the next run goes on from here"
	}
	return &e
}

// refusedToken says what to do about a refused token.
func refusedToken(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	e := *f
	e.Hint = "check that the token is the campaign's and has not been withdrawn"
	return &e
}
