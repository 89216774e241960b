// Package testwait lets tests wait for what should happen, and fail in time when
// it does not.
package testwait

import (
	"testing"
	"time"
)

// Limit bounds every wait. Only something broken makes a test last so long.
const Limit = 30 * time.Second

// Until asks until cond holds, or ends the test.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(Limit)
	defer late.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Receive gives the next value of a channel, or ends the test.
func Receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	late := time.NewTimer(Limit)
	defer late.Stop()
	select {
	case v := <-from:
		return v
	case <-late.C:
		t.Fatal("nothing came in time")
		panic("unreachable")
	}
}
