//go:build linux

package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// stepped is how long a clock stays wrong.
const stepped = 6 * time.Second

// TestClock steps the clock of PostgreSQL, by which all nodes go, an hour to and fro.
// A node's own cannot be stepped without that of the machine: its binary is linked to
// no library.
func TestClock(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil || len(found) == 0 {
		const missing = `libfaketime is not installed, which steps a clock: "scripts/testdb up" does it`
		if os.Getenv("CI") != "" || os.Getenv("FERRYMAN_TEST_REQUIRE_DB") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	p := newPostgres(t, "LD_PRELOAD="+found[0], "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_CACHE_DURATION=1")
	c := newCluster(t, chanceOf(t), p)
	step := func(offset string) func(*cluster, *node) { return func(*cluster, *node) { p.step(t, offset) } }
	c.run(t, []fault{
		{name: "clock of PostgreSQL an hour ahead and back", short: true, lasts: stepped, commit: step("+3600"), heal: step("+0")},
		{name: "clock of PostgreSQL an hour behind and back", lasts: stepped, commit: step("-3600"), heal: step("+0")},
	})
}

// clock is the file that says how far the server's clock is off.
func (p *postgres) clock() string { return filepath.Join(filepath.Dir(p.dir), "clock") }

// step sets how far the server's clock is off, in seconds, if it was started to look.
func (p *postgres) step(t testing.TB, offset string) {
	t.Helper()
	next := p.clock() + ".next"
	if err := os.WriteFile(next, []byte(offset+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, p.clock()); err != nil {
		t.Fatal(err)
	}
}
