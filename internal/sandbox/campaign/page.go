package campaign

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"

	"ferryman/internal/sandbox/faults"
)

//go:embed page.html
var pageText string

func parsePage() faults.Page { return faults.NewPage(pageText, template.FuncMap{"size": size}) }

func size(bytes int64) string {
	switch {
	case bytes >= 10_000_000:
		return fmt.Sprintf("%d MB", bytes/1_000_000)
	case bytes >= 10_000:
		return fmt.Sprintf("%d kB", bytes/1_000)
	}
	return fmt.Sprintf("%d B", bytes)
}

const (
	pageRequests = 30
	pageContacts = 12
)

// board is one campaign's part of the page.
type board struct {
	summary
	Endpoints []endpoint
	Requests  []request      // newest first
	Changed   []contactState // the contacts that changed last, newest first
}

type endpoint struct {
	Path string
	count
}

func (c *campaign) board() board {
	b := board{summary: c.summary()}
	said := c.requests.report()
	for _, path := range endpoints {
		b.Endpoints = append(b.Endpoints, endpoint{path, said.Counts[path]})
	}
	slices.Reverse(said.Newest)
	b.Requests = said.Newest[:min(len(said.Newest), pageRequests)]
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[uint32]bool{}
	for i := len(c.history.log) - 1; i >= 0 && len(b.Changed) < pageContacts; i-- {
		if ch := c.history.log[i]; ch.kind != calledIn && !seen[ch.subject] {
			seen[ch.subject] = true
			b.Changed = append(b.Changed, c.tell(ch.subject, c.history.end()))
		}
	}
	return b
}

// page shows the campaigns.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	var boards []board
	for _, c := range s.all() {
		boards = append(boards, c.board())
	}
	s.view.Show(w, r, boards)
}
