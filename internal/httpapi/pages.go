package httpapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"
)

// webFS holds the pages and what they load.
//
//go:embed web
var webFS embed.FS

// pages are the templates of web/. Their style is in the pages themselves, so
// that they are one answer each; the policy names it by its hash.
type pages struct {
	templates *template.Template
	style     template.CSS
	policy    string
}

func loadPages() (pages, error) {
	style, err := webFS.ReadFile("web/page.css")
	if err != nil {
		return pages{}, fmt.Errorf("load pages: %w", err)
	}
	templates, err := template.ParseFS(webFS, "web/*.html")
	if err != nil {
		return pages{}, fmt.Errorf("load pages: %w", err)
	}
	return pages{
		templates: templates,
		style:     template.CSS(style), //nolint:gosec // our own file
		policy: "default-src 'none'; img-src 'self'; style-src 'sha256-" + hash(style) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// render makes a page of a template; its data is there as .Page.
func (p pages) render(name string, data any) (reply, error) {
	var buf bytes.Buffer
	err := p.templates.ExecuteTemplate(&buf, name, struct {
		Style template.CSS
		Page  any
	}{p.style, data})
	if err != nil {
		return reply{}, fmt.Errorf("render %s: %w", name, err)
	}
	return reply{mime: htmlMIME, body: buf.Bytes(), policy: p.policy}, nil
}

// shownRuns is how many runs the first page shows.
const shownRuns = 10

// indexRun is a run as the first page shows it.
type indexRun struct {
	Sync     string
	OK       bool
	Started  time.Time
	Took     time.Duration
	Trigger  string
	Read     int64
	Written  int64
	Deleted  int64
	Rejected int64
	Reason   string
	Detail   string
}

// index is the first page: where to look, and how the last runs went, the newest
// first.
func (s *Server) index(r *http.Request) (reply, error) {
	runs, err := s.o.Syncs.Last(r.Context(), shownRuns)
	if err != nil {
		return reply{}, err
	}
	shown := make([]indexRun, 0, len(runs))
	for _, run := range slices.Backward(runs) {
		total := run.Report.Total()
		shown = append(shown, indexRun{
			Sync: run.Sync, OK: run.OK(), Started: run.StartedAt, Took: run.EndedAt.Sub(run.StartedAt).Round(time.Millisecond), Trigger: run.Trigger,
			Read: total.Read, Written: total.Written, Deleted: total.Deleted, Rejected: total.Rejected, Reason: run.Reason, Detail: run.Detail,
		})
	}
	return s.pages.render("index.html", struct {
		Version string
		Runs    []indexRun
	}{s.o.Version, shown})
}
