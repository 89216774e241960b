package app

import (
	"testing"
	"time"

	"ferryman/internal/config"
)

// A sync lives long enough for every time-out that can be set.
func TestWarehouseSyncOutlivesItsCalls(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		time.Second: 5 * time.Minute, 30 * time.Second: 5 * time.Minute, 10 * time.Minute: 40 * time.Minute, 24 * time.Hour: 96 * time.Hour,
	} {
		if got := new(warehouse).sync(config.Warehouse{Timeout: timeout}, false).MaxRuntime; got != want {
			t.Errorf("%v: a sync may take %v, want %v", timeout, got, want)
		}
	}
}
