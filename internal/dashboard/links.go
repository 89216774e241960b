package dashboard

import (
	"maps"
	"net/url"

	"ferryman/internal/params"
)

// chip is a filter that is a link.
type chip struct {
	Word    string
	State   string // as marks has it, in place of the word; "" for none
	Link    string
	On      bool
	Count   int64 // of what it lets pass
	Counted bool
}

// with is the address of a page whose query is as it was but for some parameters,
// given as name and value by turns; those that are "" are left out.
func with(q params.Query, page string, pairs ...string) string {
	values := maps.Clone(q.Values)
	if values == nil {
		values = url.Values{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	for name := range values {
		if values.Get(name) == "" {
			values.Del(name)
		}
	}
	if len(values) == 0 {
		return Root + page
	}
	return Root + page + "?" + values.Encode()
}
