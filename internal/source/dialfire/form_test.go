package dialfire

import (
	"strings"
	"testing"
)

// Rows that were made by another filter, or in another form, are made anew, also when
// that was cut off in between.
func TestAnotherFormBringsAllAgain(t *testing.T) {
	w := newWorld(t)
	w.populate(60, 5)
	d := newTarget()
	d.mustSync(t, w.source(t, Config{Mode: Sync, Holdings: d}))
	d.same(t, w)
	fetched := func(c Config) int {
		t.Helper()
		c.Mode, c.Holdings = Sync, d
		s := w.source(t, c)
		d.mustSync(t, s)
		return int(s.Progress().Fetched)
	}
	if n := fetched(Config{}); n != 0 {
		t.Errorf("%d contacts came although nothing has changed", n)
	}
	only := Config{Filter: Filter{Kind: UpdatesOnly, Prefixes: []string{"nothing begins like this"}}}
	if n := fetched(only); n != 60 {
		t.Errorf("another filter brought %d contacts", n)
	}
	if rows := d.rows("transactions"); len(rows) > 0 {
		t.Errorf("%d transactions are there that the filter leaves out", len(rows))
	}
	if n := fetched(only); n != 0 {
		t.Errorf("the same filter brought %d contacts", n)
	}

	c := Config{Mode: Sync, Holdings: d}
	s := w.source(t, c)
	s.tempo.batchEnough, s.tempo.batchMost = 7, 7
	after, err := d.Cursor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for batch, err := range s.Read(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		break // as a crash would
	}
	if cursor, err := d.Cursor(t.Context()); err != nil || !strings.Contains(string(cursor), `"all":true`) {
		t.Errorf("the cursor %s does not tell that all is brought (%v)", cursor, err)
	}
	d.mustSync(t, w.source(t, c))
	d.same(t, w)
}
