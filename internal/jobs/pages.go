package jobs

import (
	"fmt"
	"net/http"
	"strings"

	"riverqueue.com/riverui"
	"riverqueue.com/riverui/uiendpoints"
)

// PagesPolicy is the Content-Security-Policy that the engine's own pages work under:
// nothing from another host. Scripts are files of theirs. Their script adds styles as
// it goes along, and their style sheet holds pictures.
const PagesPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Pages gives River's own pages of jobs and queues, with the calls that they make, for
// the path prefix, such as /ui/jobs. They ask nobody who they are: whoever mounts them
// does, and sets PagesPolicy. They can be called before Start and after Stop.
func (e *Engine) Pages(prefix string) (http.Handler, error) {
	// It is not started: all that would do is to count in the background the jobs of a
	// store with a million of them.
	pages, err := riverui.NewHandler(&riverui.HandlerOpts{Endpoints: e.insert.endpoints(), Logger: e.riverLogger(), Prefix: prefix})
	if err != nil {
		return nil, fmt.Errorf("set up the pages of the job engine: %w", err)
	}
	assets := strings.TrimSuffix(prefix, "/") + "/assets/"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, assets) { // their names change with what they hold
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		pages.ServeHTTP(w, r)
	}), nil
}

func (c riverClient[TTx]) endpoints() uiendpoints.Bundle {
	return riverui.NewEndpoints(c.Client, nil)
}
