package messengers

import (
	_ "embed"
	"html/template"
	"net/http"
	"slices"

	"ferryman/internal/sandbox/faults"
)

//go:embed page.html
var pageText string

func parsePage() faults.Page { return faults.NewPage(pageText, template.FuncMap{"short": shorten}) }

const pageNewest = 200 // arrivals looked at, so that a busy messenger crowds out no other at once

// phone is one messenger's part of the page.
type phone struct {
	Name     Messenger
	Title    string
	Count    Count
	Arrivals []Arrival // newest first
}

// page shows the newest arrivals.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	counts := s.Counts()
	view := struct {
		Total  Count
		Phones []phone
	}{Total: counts.Count}
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
	s.view.Show(w, r, view)
}
