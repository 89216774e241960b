package cronexec

import (
	"context"
	"strconv"
	"time"
)

// The bounds of a heartbeat.
const (
	maxHeartbeat = 24 * time.Hour
	minBeat      = 300 * time.Millisecond // between two beats
)

// heartbeat reads seconds. What is none is 0.
func heartbeat(header string) time.Duration {
	seconds, err := strconv.ParseFloat(header, 64)
	if err == nil && seconds > 0 {
		return time.Duration(min(seconds, maxHeartbeat.Seconds()) * float64(time.Second))
	}
	return 0
}

// beatEvery leaves room for two beats that get lost.
func beatEvery(heartbeat time.Duration) time.Duration { return max(heartbeat/3, minBeat) }

// beat tells the server that the execution lives, until stop is called. Nobody
// learns of a beat that fails: another one follows.
func (r *run) beat(ctx context.Context) (stop func()) {
	if r.heartbeat == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(beatEvery(r.heartbeat))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = r.server.messages(ctx, r.report.Execution, []byte("[]"))
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-over
	}
}
