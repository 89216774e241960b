package ratelimit

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestLimiter(t *testing.T) {
	l := New[string](2, 4)
	now := epoch
	take := func(who string, want time.Duration) {
		t.Helper()
		if got := l.Take(who, now); got != want {
			t.Errorf("%s waits %v, want %v", who, got, want)
		}
	}
	for range 4 {
		take("a", 0)
	}
	for range 10 { // what is refused costs nothing
		take("a", 500*time.Millisecond)
	}
	take("b", 0)
	now = now.Add(500 * time.Millisecond)
	take("a", 0)
	take("a", 500*time.Millisecond)
	now = now.Add(time.Hour)
	for range 4 {
		take("a", 0)
	}
	take("a", 500*time.Millisecond)
	if none := New[string](0, 0); none.Take("a", now) != 0 {
		t.Error("no limit is one")
	}
}

// TestLimiterIsBounded shows that ever new callers cost no more memory, and that
// the idle are forgotten before the busy.
func TestLimiterIsBounded(t *testing.T) {
	l := New[int](1, 2)
	l.most = 100
	for i := range 10_000 {
		if wait := l.Take(i, epoch); wait != 0 {
			t.Fatalf("%d waits %v", i, wait)
		}
		if len(l.all) > l.most {
			t.Fatalf("%d are known", len(l.all))
		}
	}
	l = New[int](1, 2)
	l.most = 8
	for i := range l.most {
		l.Take(i, epoch)
	}
	now := epoch.Add(time.Minute)
	l.Take(0, now)
	l.Take(0, now)
	l.Take(100, now)
	if wait := l.Take(0, now); wait == 0 {
		t.Error("the one who is busy was forgotten, and not the idle")
	}
}

func TestNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8::7": "2001:db8::/64",
		"2001:db8:0:0:ffff::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := fmt.Sprint(Network(netip.MustParseAddr(remote))); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
	one, other := netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8::8")
	if Network(one) != Network(other) || Network(one) == (netip.Prefix{}) || Network(netip.Addr{}) != (netip.Prefix{}) {
		t.Error("a host is told apart by the address that it chooses")
	}
}
