package pushclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
)

// settle has the server judge a list until all of it is stored, there already, or
// refused. The server stores a list only whole, so what it has something against
// is taken out and the rest goes again.
func (s *sending) settle(ctx context.Context, list []Line) error {
	open := make([]Line, 0, len(list))
	var refused []Line
	for _, line := range list {
		if len(line.Problems) > 0 {
			refused = append(refused, line)
		} else {
			open = append(open, line)
		}
	}
	for {
		if err := s.note(Tally{}, refused); err != nil || len(open) == 0 {
			return err
		}
		_, err := s.post(ctx, open)
		verdict, ok := errors.AsType[*RefusedError](err)
		switch {
		case err == nil:
			return s.note(Tally{Stored: int64(len(open)), Bytes: bytesOf(open)}, nil)
		case !ok:
			return err
		case len(verdict.Items) != len(open):
			return notUnderstood(err)
		}
		var there []Line
		there, refused, open = sorted(open, verdict)
		if err := s.note(Tally{There: int64(len(there)), Bytes: bytesOf(there)}, nil); err != nil {
			return err
		}
	}
}

// sorted parts a list by the server's verdict, of which at least one message is
// found bad.
func sorted(list []Line, verdict *RefusedError) (there, refused, good []Line) {
	for n, line := range list {
		switch problems := verdict.Items[n]; {
		case len(problems) == 0:
			good = append(good, line)
		case verdict.Taken(n):
			there = append(there, line)
		default:
			line.Problems = problems
			refused = append(refused, line)
		}
	}
	return there, refused, good
}

func bytesOf(list []Line) (n int64) {
	for _, line := range list {
		n += line.Bytes
	}
	return n
}

// note counts what is settled and tells of it.
func (s *sending) note(t Tally, refused []Line) error {
	if t == (Tally{}) && len(refused) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Refused, t.Bytes = int64(len(refused)), t.Bytes+bytesOf(refused)
	s.tally.add(t)
	for _, line := range refused {
		if err := s.o.Reject(line); err != nil {
			return err
		}
	}
	if s.o.Progress != nil {
		s.o.Progress(s.tally)
	}
	return nil
}

// post sends a list, again if need be: with the same key, so that an answer that
// got lost is given again. The key is of this sending only, for another one is to
// learn that the messages are there already.
func (s *sending) post(ctx context.Context, list []Line) ([]int64, error) {
	values := make([]jsontext.Value, len(list))
	for i, line := range list {
		values[i] = line.JSON
	}
	body := joined(values)
	hash := sha256.Sum256(slices.Concat([]byte(s.run), body))
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		patient, done := outlast(ctx)
		ids, err := s.client.post(patient, body, len(list), hex.EncodeToString(hash[:16]))
		done()
		if err == nil || try >= s.o.Tries || !passing(err) {
			return ids, err
		}
		if err := s.wait(ctx, err, s.o.pause(try)); err != nil {
			return nil, err
		}
	}
}

// passing tells whether a call may go better later.
func passing(err error) bool {
	switch fault.KindOf(err) {
	case fault.Timeout, fault.Unavailable, fault.RateLimited:
		return true
	default:
		return false
	}
}

// pause is how long to wait after a try, spread so that several do not come back
// at once.
func pause(try int) time.Duration {
	most := min(250*time.Millisecond<<try, 20*time.Second)
	return most/2 + rand.N(most/2) //nolint:gosec // chance guards no secret here
}

// wait waits as long as the server asked for, and at least.
func (s *sending) wait(ctx context.Context, cause error, least time.Duration) error {
	if f, ok := errors.AsType[*fault.Error](cause); ok {
		least = max(least, f.RetryAfter)
	}
	if s.o.Retrying != nil {
		s.mu.Lock()
		s.o.Retrying(cause, least)
		s.mu.Unlock()
	}
	timer := time.NewTimer(least)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// outlast is a context that ends grace after ctx.
func outlast(ctx context.Context) (context.Context, func()) {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-patient.Done():
		}
	})
	return patient, func() {
		stop()
		cancel()
	}
}
