package misspelt

import (
	"strings"
	"testing"
)

func TestWhatWasMeant(t *testing.T) {
	settings := []string{"API_PASSWORD", "API_TOKEN", "API_USER", "FERRYMAN_LISTEN", "workers"}
	members := []string{"slug", "schedule", "grace_seconds", "max_running", "max_runtime_seconds", "start_at", "expires_at", "text", "keep_runs", "keep_for_seconds"}
	for _, c := range []struct {
		find       func(string, []string) string
		name, want string
		known      []string
	}{
		{Nearest, "FERRYMAN_LITSEN", "FERRYMAN_LISTEN", settings},
		{Nearest, "ferryman_listens", "FERRYMAN_LISTEN", settings},
		{Nearest, "wokers", "workers", settings},
		{Nearest, "API_USES", "API_USER", settings},
		{Nearest, "API_PAGES", "", settings}, // two slips from API_USER
		{Nearest, "", "", settings},
		{Nearest, strings.Repeat("A", 1<<20), "", settings},
		{Nearest, "a", "", nil},
		{Member, "schedul", "schedule", members},
		{Member, "Schedule", "schedule", members},
		{Member, "max_runtime", "max_runtime_seconds", members},
		{Member, "grace", "grace_seconds", members},
		{Member, "max", "", members}, // one of two
		{Member, "start_on", "start_at", members},
		{Member, "expire_at", "expires_at", members},
		{Member, "test", "text", members},
		{Member, "id", "", members},
		{Member, "", "", members},
	} {
		if got := c.find(c.name, c.known); got != c.want {
			t.Errorf("%.40q is taken for %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
