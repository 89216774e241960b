package ledger

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatWasPutLastIsRemembered(t *testing.T) {
	var r recent[int, int]
	if _, known := r.get(1); known {
		t.Error("it knows what it was never told")
	}
	const n = 5 * recentKept
	for i := range n {
		r.put(i, -i)
	}
	if size := len(r.now) + len(r.old); size > 2*recentKept {
		t.Errorf("it remembers %d", size)
	}
	for i := n - recentKept; i < n; i++ {
		if v, known := r.get(i); !known || v != -i {
			t.Fatalf("of %d it knows %d, %v", i, v, known)
		}
	}
}

// What nobody asks for any more makes room in time, however few there are.
func TestWhatIsNotAskedForIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recent[int, int]
		r.put(1, -1)
		r.put(2, -2)
		for range 3 {
			time.Sleep(recentFor + 1)
			if _, known := r.get(1); !known {
				t.Error("it forgets what is asked for")
			}
			r.put(3, -3)
		}
		if _, known := r.get(2); known {
			t.Error("it remembers what nobody asks for")
		}
		if size := len(r.now) + len(r.old); size > 4 {
			t.Errorf("it remembers %d", size)
		}
	})
}
