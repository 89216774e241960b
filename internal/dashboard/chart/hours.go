package chart

import (
	"html/template"
	"strings"
	"time"
)

// Hours is what was done hour by hour, as bars of which each is a stack.
type Hours struct {
	Label  string    // of the whole, for who cannot see it
	From   time.Time // when the first hour began
	Series []Series  // from the bottom to the top of a bar
	// Zone is where the times below the drawing are.
	Zone *time.Location
	// Count writes a number.
	Count func(int64) string
	// Bare leaves out everything but the bars: for a line of a table.
	Bare bool
}

// Series is one part of each bar.
type Series struct {
	Class  string // of the style sheet
	Word   string // what is counted
	Values []int64
}

// Sizes of the drawing. A bar's parts differ in width, so that they are told apart
// without colours.
const (
	hoursLeft  = 56
	hoursWide  = 520
	hoursTop   = 26
	hoursFoot  = 24
	hoursPlot  = 120 // height of the highest bar
	hoursLeast = 2   // of a part that is not nothing
	bareWide   = 168
	bareHigh   = 24
)

// Draw draws it.
func (h Hours) Draw() template.HTML {
	n, most := h.extent()
	left, wide, top, plot, foot := float64(hoursLeft), float64(hoursWide), float64(hoursTop), float64(hoursPlot), float64(hoursFoot)
	if h.Bare {
		left, wide, top, plot, foot = 0, bareWide, 0, bareHigh, 0
	}
	bottom := top + plot
	var m markup
	m.add(`<svg class="chart hours" width="`, number(wide), `" height="`, number(bottom+foot), `" viewBox="0 0 `, number(wide), " ", number(bottom+foot), `" role="img"`)
	m.attr("aria-label", h.Label)
	m.add(">")
	if !h.Bare {
		h.legend(&m)
		h.levels(&m, most, bottom)
	}
	step := (wide - left) / float64(max(n, 1))
	for i := range n {
		h.bar(&m, i, left+float64(i)*step, step, bottom, plot, most)
		if !h.Bare {
			h.hour(&m, i, n, left+(float64(i)+0.5)*step, bottom)
		}
	}
	m.add(`<line class="axis" x1="`, number(left), `" x2="`, number(wide), `" y1="`, number(bottom), `" y2="`, number(bottom), `"/></svg>`)
	return template.HTML(m.String()) //nolint:gosec // what is not ours is escaped
}

// extent gives how many hours there are, and what the highest bar counts, at least 1.
func (h Hours) extent() (n int, most int64) {
	for _, s := range h.Series {
		n = max(n, len(s.Values))
	}
	most = 1
	for i := range n {
		most = max(most, h.sum(i))
	}
	return n, most
}

func (h Hours) sum(i int) (all int64) {
	for _, s := range h.Series {
		all += s.at(i)
	}
	return all
}

func (s Series) at(i int) int64 {
	if i >= len(s.Values) {
		return 0
	}
	return s.Values[i]
}

// bar draws one hour.
func (h Hours) bar(m *markup, i int, x, step, bottom, plot float64, most int64) {
	var said []string
	for _, s := range h.Series {
		if n := s.at(i); n > 0 {
			said = append(said, h.Count(n)+" "+s.Word)
		}
	}
	if len(said) == 0 {
		return
	}
	m.add("<g><title>")
	m.text(h.From.Add(time.Duration(i)*time.Hour).In(h.Zone).Format("2 Jan 15:04") + ": " + strings.Join(said, ", "))
	m.add(`</title><path class="hit" d="`, box(x, bottom-plot, step, plot), `"/>`)
	y := bottom
	for part, s := range h.Series {
		n := s.at(i)
		if n == 0 {
			continue
		}
		high := max(plot*float64(n)/float64(most), hoursLeast)
		y = max(y-high, bottom-plot)
		width := step * partWidth(part)
		m.add(`<path class="`, s.Class, `" d="`, box(x+(step-width)/2, y, width, high), `"/>`)
	}
	m.add("</g>")
}

// partWidth is the share of a bar's room that a part takes, the first the most.
func partWidth(part int) float64 { return max(0.8-0.25*float64(part), 0.2) }

// legend draws what the parts are, with the width that each has in a bar.
func (h Hours) legend(m *markup) {
	const row, sample = 11, 20.0
	x := float64(hoursLeft)
	for part, s := range h.Series {
		width := sample * partWidth(part)
		m.add(`<path class="`, s.Class, `" d="`, box(x+(sample-width)/2, row-8, width, 9), `"/><text x="`, number(x+sample+4), `" y="`, number(row), `">`)
		m.text(s.Word)
		m.add("</text>")
		x += sample + 24 + 7*float64(len([]rune(s.Word)))
	}
}

// levels draws what the bars count, at the side.
func (h Hours) levels(m *markup, most int64, bottom float64) {
	for _, n := range []int64{most, most / 2} {
		if n == 0 {
			continue
		}
		y := number(bottom - hoursPlot*float64(n)/float64(most))
		m.add(`<line class="grid" x1="`, number(hoursLeft), `" x2="`, number(hoursWide), `" y1="`, y, `" y2="`, y,
			`"/><text text-anchor="end" x="`, number(hoursLeft-6), `" y="`, y, `" dy="4">`)
		m.text(h.Count(n))
		m.add("</text>")
	}
}

// hour draws when some of the bars were, eight of them at most.
func (h Hours) hour(m *markup, i, n int, x, bottom float64) {
	const room = 8
	every := max((n+room-1)/room, 1)
	if (n-1-i)%every != 0 {
		return
	}
	form := "15:04"
	if n > 48 {
		form = "2 Jan"
	}
	m.add(`<text text-anchor="middle" x="`, number(x), `" y="`, number(bottom+16), `">`, h.From.Add(time.Duration(i)*time.Hour).In(h.Zone).Format(form), "</text>")
}
