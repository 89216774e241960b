package dialfire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// answering has requests answered by f where it gives a value.
func (w *world) answering(f func(r *http.Request, ids []string) any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instead = func(rw http.ResponseWriter, r *http.Request, body []byte) bool {
		var ids []string
		_ = json.Unmarshal(body, &ids)
		v := f(r, ids)
		if v == nil {
			return false
		}
		_ = json.NewEncoder(rw).Encode(v)
		return true
	}
}

func TestChangesWhileListing(t *testing.T) {
	for _, mode := range []Mode{Init, Update} {
		w := newWorld(t)
		w.populate(60, 0)
		pages := 0
		w.answering(func(r *http.Request, _ []string) any {
			if !strings.Contains(r.URL.Path, "contacts/list") {
				return nil
			}
			if pages++; pages > 12 {
				return nil
			}
			w.pass(time.Second)
			for _, id := range w.order[:5] {
				w.rename(id, fmt.Sprint("page ", pages)) // and with its MD5 its place
			}
			w.add(1)
			return nil
		})
		d := newTarget()
		d.mustSync(t, w.source(t, Config{Mode: mode, Holdings: d}))
		d.same(t, w)
	}
}

func TestEventsBringChangesAtOnce(t *testing.T) {
	w, d, s := synced(t, 20, 0)
	w.pass(11 * time.Minute)
	d.mustSync(t, s)
	w.requests("")
	for range 3 {
		w.pass(time.Minute)
		for _, id := range w.order[:9] {
			w.act(id, 9*time.Minute)
		}
		w.call(time.Hour)
		d.mustSync(t, s)
		d.same(t, w)
		if got := w.requests("contacts/list"); len(got) > 0 {
			t.Fatalf("it was listed: %v", got)
		}
	}
}

func TestContactThatIsLeftOutVanishes(t *testing.T) {
	w, d, s := synced(t, 20, 2)
	gone := w.order[5]
	// Its event is still there.
	w.pass(time.Minute)
	w.act(gone, 0)
	w.pass(time.Second)
	w.answering(func(_ *http.Request, ids []string) any {
		if slices.Contains(ids, gone) {
			w.remove(gone)
		}
		return nil
	})
	d.mustSync(t, s)
	d.same(t, w)
	if n := len(d.rows("contacts")); n != 19 {
		t.Errorf("%d contacts", n)
	}
}

func TestVerificationFindsWhatVanished(t *testing.T) {
	w, d, _ := synced(t, 60, 5)
	for _, id := range w.order[10:40] {
		w.remove(id)
	}
	cursor := d.cursor
	s := w.source(t, Config{Full: true, Holdings: d})
	d.mustSync(t, s)
	d.same(t, w)
	if d.cursor != cursor {
		t.Error("it has moved the cursor")
	}
	n := len(d.batches)
	d.mustSync(t, s)
	for _, b := range d.batches[n:] {
		for _, c := range b.Changes {
			if c.Table.Name != "inbound_calls" {
				t.Errorf("a second one brings %d rows of %s", len(c.Rows), c.Table.Name)
			}
		}
	}
}

func TestDistrustBringsEverything(t *testing.T) {
	w, d, _ := synced(t, 30, 5)
	for _, row := range d.tables["contacts"] {
		row[len(row)-1] = "spoilt"
	}
	d.mustSync(t, w.source(t, Config{Full: true, Holdings: d}))
	if n := len(d.rows("contacts")); n != 30 {
		t.Errorf("%d contacts", n)
	}
	d.mustSync(t, w.source(t, Config{Full: true, Distrust: true, Holdings: d}))
	d.same(t, w)
}

// Nothing vanishes on the word of an API that denies contacts which it knows.
func TestAPIThatLiesDeletesNothing(t *testing.T) {
	for name, lie := range map[string]func(w *world, r *http.Request, ids []string) any{
		"no contacts at all": func(_ *world, r *http.Request, _ []string) any {
			if r.Method == "POST" {
				return []any{}
			}
			return nil
		},
		"no contacts and empty lists": func(_ *world, r *http.Request, _ []string) any {
			switch {
			case r.Method == "POST":
				return []any{}
			case strings.Contains(r.URL.Path, "contacts/list"):
				return map[string]any{"results": []any{}}
			}
			return nil
		},
		"an empty list": func(_ *world, r *http.Request, _ []string) any {
			if strings.Contains(r.URL.Path, "contacts/list") {
				return map[string]any{"results": []any{}}
			}
			return nil
		},
		"every other answer is empty": func() func(w *world, r *http.Request, _ []string) any {
			n := 0
			return func(w *world, r *http.Request, _ []string) any {
				if w.mu.Lock(); r.Method == "POST" {
					n++
				}
				defer w.mu.Unlock()
				if r.Method == "POST" && n%2 == 0 {
					return []any{}
				}
				return nil
			}
		}(),
		"contacts without ids": func(_ *world, r *http.Request, _ []string) any {
			if r.Method == "POST" {
				return []any{map[string]any{"$md5": "x"}}
			}
			return nil
		},
		"contacts of which one has no id": func(w *world, r *http.Request, ids []string) any {
			if r.Method != "POST" {
				return nil
			}
			found := []any{}
			for _, id := range ids {
				c := map[string]any{}
				_ = json.Unmarshal(w.contacts[id].revisions[0].text, &c)
				if id == w.order[11] {
					delete(c, "$id")
				}
				found = append(found, c)
			}
			return found
		},
		"others' contacts": func(_ *world, r *http.Request, _ []string) any {
			if r.Method == "POST" {
				return []any{map[string]any{"$id": "2222222222222223", "$md5": "x", "$version": 1}}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, d, _ := synced(t, 30, 0)
			before := d.lines()
			w.answering(func(r *http.Request, ids []string) any { return lie(w, r, ids) })
			d.mustSync(t, w.source(t, Config{Full: true, Distrust: true, Holdings: d}))
			if got := d.lines(); !slices.Equal(got, before) {
				t.Errorf("the target has changed to %d rows from %d", len(got), len(before))
			}
		})
	}
}

func TestSetOfIDs(t *testing.T) {
	s := newIDSet()
	for i := range 1000 {
		s.add([]listed{{id: fmt.Sprint("id", 2*i)}})
	}
	s.sort()
	for i := range 2000 {
		if got, want := s.has(fmt.Sprint("id", i)), i%2 == 0; got != want {
			t.Errorf("has %d: %v", i, got)
		}
	}
}
