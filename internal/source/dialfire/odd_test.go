package dialfire

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// An entry of a list that names no contact is told, and holds up nothing.
func TestOddEntriesOfLists(t *testing.T) {
	for _, mode := range []Mode{Sync, Webhook} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWorld(t)
			w.populate(5, 1)
			w.pass(time.Minute)
			d := newTarget()
			s := w.source(t, Config{Mode: mode, Holdings: d})
			d.mustSync(t, s)
			w.pass(time.Minute)
			w.act(w.order[3], 0)
			odd := true
			w.instead = func(out http.ResponseWriter, r *http.Request, _ []byte) bool {
				switch {
				case !odd:
				case strings.HasSuffix(r.URL.Path, "/contacts/list"):
					fmt.Fprintf(out, `{"results":[{"md5":"m"},"x",{"id":%q}]}`, w.order[3])
					return true
				case strings.HasSuffix(r.URL.Path, "/transactions/"):
					fmt.Fprintf(out, `{"results":["2026-03-10|m",{"fired":"f"},"f|m|%s"]}`, w.order[3])
					return true
				}
				return false
			}
			w.pass(10 * time.Minute)
			d.mustSync(t, s)
			table := map[Mode]string{Sync: "contacts", Webhook: "transactions"}[mode]
			if len(d.letters) != 4 {
				t.Errorf("%d are rejected: %v", len(d.letters), d.letters)
			}
			for key := range d.letters {
				if !strings.HasPrefix(key, table+" sha256 ") {
					t.Errorf("rejected %s", key)
				}
			}
			if rows := d.rows("transactions"); !slices.ContainsFunc(rows, func(row []any) bool { return slices.Contains(row, any(w.order[3])) }) {
				t.Errorf("the contact's news did not come: %v", rows)
			}
			// What is odd for long is not told each minute.
			clear(d.letters)
			w.pass(time.Minute)
			if d.mustSync(t, s); len(d.letters) > 0 {
				t.Errorf("told again: %v", d.letters)
			}
			odd = false
			w.act(w.order[2], 0)
			w.pass(time.Minute)
			if d.mustSync(t, s); !strings.Contains(fmt.Sprint(d.rows("transactions")), w.order[2]) {
				t.Error("it does not go on")
			}
		})
	}
}
