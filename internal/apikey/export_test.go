package apikey

import "time"

// SetElapsed makes a test's clock the one by which snapshots age.
func (k *Keys) SetElapsed(elapsed func() time.Duration) { k.elapsed = elapsed }

// The form of keys, for tests.
var (
	Generate = generate
	PrefixOf = prefixOf
	PrefixIn = prefixIn
)
