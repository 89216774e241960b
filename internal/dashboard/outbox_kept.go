package dashboard

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// What takes less than this is found out anew each time.
	keptFrom = 50 * time.Millisecond
	// What takes longer is kept for so many times as long: a page that many look at
	// costs the store no more than a twentieth of its time.
	keptFor = 20
)

// kept is a value that may be costly to find out, and may then be a little old. The
// zero value is ready. It is safe for concurrent use.
type kept[T any] struct {
	making sync.Mutex
	last   atomic.Pointer[keptValue[T]]
}

type keptValue[T any] struct {
	value T
	at    time.Time
	took  time.Duration
}

func (v *keptValue[T]) fresh() bool {
	return v != nil && v.took >= keptFrom && time.Since(v.at) < keptFor*v.took
}

// get gives the value. While somebody finds it out anew, others get the last one.
func (k *kept[T]) get(ctx context.Context, find func(context.Context) (T, error)) (T, error) {
	last := k.last.Load()
	if last.fresh() {
		return last.value, nil
	}
	if !k.making.TryLock() {
		if last != nil && last.took >= keptFrom {
			return last.value, nil
		}
		k.making.Lock()
		if last = k.last.Load(); last.fresh() {
			k.making.Unlock()
			return last.value, nil
		}
	}
	defer k.making.Unlock()
	begun := time.Now()
	value, err := find(ctx)
	if err == nil {
		k.last.Store(&keptValue[T]{value, time.Now(), time.Since(begun)})
	}
	return value, err
}

// forget has the next one find it out anew.
func (k *kept[T]) forget() { k.last.Store(nil) }
