package ledger

import "testing"

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
