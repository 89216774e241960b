package faults

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"time"
)

//go:embed page.html
var frame string

// Page is a page of the control API that keeps itself up to date. It asks for
// nothing else, and runs no script.
type Page struct{ view *template.Template }

// NewPage makes a page of the templates "title", "style", "header" and "main" that a
// text defines. Beside the functions they have clock and stamp, which show a time.
func NewPage(text string, functions template.FuncMap) Page {
	view := template.New("page").Funcs(functions).Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
		"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	})
	return Page{template.Must(template.Must(view.Parse(frame)).Parse(text))}
}

// Show answers with the page of a view. With the parameter still it does not load
// itself again.
func (p Page) Show(w http.ResponseWriter, r *http.Request, view any) {
	var b bytes.Buffer
	if err := p.view.Execute(&b, struct {
		Still bool
		View  any
	}{r.FormValue("still") != "", view}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}
