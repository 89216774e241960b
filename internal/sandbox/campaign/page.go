package campaign

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"
)

//go:embed page.html
var pageText string

func parsePage() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
		"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"size":  size,
	}).Parse(pageText))
}

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

// page shows the campaigns. It asks for nothing else, and runs no script.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	view := struct {
		Still  bool // does not load itself again
		Boards []board
	}{Still: r.FormValue("still") != ""}
	for _, c := range s.all() {
		view.Boards = append(view.Boards, c.board())
	}
	var b bytes.Buffer
	if err := s.view.Execute(&b, view); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}
