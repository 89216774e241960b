package jobs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestForAWhile(t *testing.T) {
	wrong := errors.New("wrong")
	untilItEnds := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, c := range map[string]struct {
		tidy  func(context.Context) error
		after time.Duration // when all is called off
		want  error
	}{
		"done":       {func(context.Context) error { return nil }, time.Hour, nil},
		"wrong":      {func(context.Context) error { return wrong }, time.Hour, wrong},
		"too long":   {untilItEnds, time.Hour, nil},
		"called off": {untilItEnds, time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.after)
				defer cancel()
				if err := forAWhile(ctx, tidyTime, c.tidy); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		})
	}
}
