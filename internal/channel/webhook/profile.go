package webhook

import (
	"time"

	"ferryman/internal/outbox"
)

// The names of the profiles.
const (
	SeedProfile     = "seed"     // ten attempts in about nine minutes; there is no pause after the last
	StandardProfile = "standard" // ten attempts in about three days
)

// Profile gives when a delivery is tried again, by the profile's name. An unknown
// name means StandardProfile.
func Profile(name string) outbox.Backoff {
	const s, m, h = time.Second, time.Minute, time.Hour
	if name == SeedProfile {
		return outbox.Backoff{Pauses: []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s}, Jitter: 0.2}
	}
	return outbox.Backoff{Pauses: []time.Duration{5 * s, 5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h}}
}
