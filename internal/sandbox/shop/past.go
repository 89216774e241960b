package shop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// pace is the pause after each execution of the past, so that the server has time
	// for others.
	pace = 10 * time.Millisecond
	// thin is how long ago half of what a busy job did is left out, and more of what
	// was before: a week of one a minute would be too much to report.
	thin = 150 * time.Minute
	// talk is how long ago executions may be of which each message is reported.
	talk = 3 * time.Hour
	// jitter is how late a start may be.
	jitter = 2 * time.Second
)

// former is an execution of the past.
type former struct {
	slug  string
	began time.Time
	run
}

// reportPast reports what went on before, the oldest first, so that the ledger has it
// in its order. It gives ErrKey, and gives up when the server cannot be reached.
func (s *Shop) reportPast(ctx context.Context) error {
	var all []former
	for _, j := range s.jobs {
		since := s.now.Add(-j.past)
		if last, known := s.reported[j.Slug]; known {
			// What may not start now has not run since.
			may, err := s.calls.mayStart(ctx, j.Slug)
			if errors.Is(err, ErrKey) {
				return err
			}
			if !may || j.silent {
				continue
			}
			if since.Before(last) {
				since = last
			}
		}
		all = append(all, s.past(j, since)...)
	}
	slices.SortStableFunc(all, func(a, b former) int { return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.slug, b.slug)) })
	for _, f := range all {
		err := s.reportFormer(ctx, f)
		if errors.Is(err, ErrKey) {
			return err
		}
		if err != nil && !errors.Is(err, errRefused) || !wait(ctx, pace) {
			return nil
		}
	}
	return nil
}

// past is what a job did from since on; of what ran often the less, the longer ago it
// is. An execution that began just then is among it: its end may not have been told.
func (s *Shop) past(j job, since time.Time) (all []former) {
	if j.past == 0 {
		return nil
	}
	until := s.now.Add(-j.ended)
	for at := j.next(since.Add(-jitter - time.Second)); at.Before(until); at = j.next(at) {
		chance := s.chance(j.Slug, int(at.Unix()))
		if j.every < time.Hour && chance.Float64() > 1/(1+float64(s.now.Sub(at))/float64(thin)) {
			continue
		}
		m := moment{chance: chance, n: len(all), past: true}
		f := former{j.Slug, at.Add(m.time(0, jitter)), j.does(m)}
		if !f.began.Before(since) && f.began.Add(f.took).Before(s.now) {
			all = append(all, f)
		}
	}
	return all
}

func (s *Shop) reportFormer(ctx context.Context, f former) error {
	id, err := s.calls.start(ctx, f.slug, fmt.Sprintf("past-%d", f.began.UnixMilli()), f.began)
	if err != nil {
		return err
	}
	if s.now.Sub(f.began) < talk && len(f.says) > 0 {
		messages := make([]message, len(f.says))
		for i, l := range f.says {
			messages[i] = message{Text: l.text, Kind: l.kind, At: f.began.Add(l.after)}
		}
		if err := s.calls.say(ctx, id, messages...); err != nil {
			return err
		}
	}
	return s.calls.end(ctx, id, f.run, f.began.Add(f.took))
}
