package messengers

import (
	"bytes"
	_ "embed"
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
		"short": shorten,
	}).Parse(pageText))
}

const pageNewest = 200 // arrivals looked at, so that a busy messenger crowds out no other at once

// phone is one messenger's part of the page.
type phone struct {
	Name     Messenger
	Title    string
	Count    Count
	Arrivals []Arrival // newest first
}

// page shows the newest arrivals. It asks for nothing else, and runs no script.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	counts := s.Counts()
	view := struct {
		Still  bool // does not load itself again
		Total  Count
		Phones []phone
	}{Still: r.FormValue("still") != "", Total: counts.Count}
	newest := slices.Collect(s.Arrivals(Query{Newest: pageNewest}))
	slices.Reverse(newest)
	titles := [len(all)]string{"Telegram", "Viber", "WhatsApp", "Webhooks"}
	for i, m := range all {
		p := phone{Name: m, Title: titles[i], Count: counts.Messengers[m]}
		for _, a := range newest {
			if a.Messenger == m && len(p.Arrivals) < 20 {
				p.Arrivals = append(p.Arrivals, a)
			}
		}
		view.Phones = append(view.Phones, p)
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
