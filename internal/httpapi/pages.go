package httpapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
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

// index leads to the dashboard.
func (s *Server) index(*http.Request) (reply, error) {
	return reply{status: http.StatusSeeOther, location: dashboardRoot, mime: "text/plain; charset=utf-8", body: []byte("The dashboard is at " + dashboardRoot + "\n")}, nil
}
