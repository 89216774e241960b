package dialfire

import (
	"strings"
	"testing"
	"time"
)

// Where another client left off counts for a first start only, and only for what
// goes on from a place.
func TestResume(t *testing.T) {
	w := newWorld(t)
	ids := map[string]string{"old": w.add(1)}
	w.pass(72 * time.Hour)
	ids["between"] = w.add(1)
	w.pass(24 * time.Hour)
	left := w.clock()
	w.pass(24 * time.Hour)
	ids["late"] = w.add(1)
	w.pass(time.Minute)
	start := w.clock().Add(-60 * time.Hour)
	bring := func(t *testing.T, c Config, d *target) (brought string) {
		t.Helper()
		c.Holdings = d
		d.mustSync(t, w.source(t, c))
		lines := strings.Join(d.lines(), " ")
		for _, name := range []string{"old", "between", "late"} {
			if strings.Contains(lines, ids[name]) {
				brought += name + " "
			}
		}
		return brought
	}
	for name, c := range map[string]struct {
		Config
		want string
	}{
		"sync":              {Config{Mode: Sync, Resume: left}, "late "},
		"webhook":           {Config{Mode: Webhook, Resume: left}, "late "},
		"init":              {Config{Mode: Init, Resume: left}, "old between late "},
		"update":            {Config{Mode: Update, Start: start, Resume: left}, "between late "},
		"sync, started":     {Config{Mode: Sync, Start: start, Resume: left}, "between late "},
		"webhook, started":  {Config{Mode: Webhook, Start: start, Resume: left}, "between late "},
		"webhook, from now": {Config{Mode: Webhook}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTarget()
			if got := bring(t, c.Config, d); got != c.want {
				t.Errorf("brought %q, want %q", got, c.want)
			}
			if c.Mode != Sync && c.Mode != Webhook {
				return
			}
			// Now there is a cursor.
			if got := bring(t, Config{Mode: c.Mode, Resume: left.Add(-1000 * time.Hour)}, d); got != c.want {
				t.Errorf("then brought %q, want %q", got, c.want)
			}
		})
	}
}
