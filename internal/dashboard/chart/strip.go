package chart

import (
	"html/template"
	"math"
	"strings"
	"time"
)

// Sizes of a strip, in its own units: CSS pixels unless it is squeezed.
const (
	barWidth  = 5
	barStep   = 7
	barLeast  = 4 // height of the shortest run
	stripHigh = 24
	// Runs of a strip that are less than this factor apart differ little in height.
	stripFactor = 100
)

// Strip draws runs side by side, the oldest on the left, as bars whose height is
// how long they took, by its logarithm. It has room for so many, and newer ones
// stand further right. Bars with an Href are links: the arrow keys go from one to
// the next, and the tabulator stops at the newest alone.
func Strip(label string, runs []Run, room int) template.HTML {
	bars := barsOf(runs, room)
	newest := -1 // the last that is a link
	for i, b := range bars {
		if b.Href != "" {
			newest = i
		}
	}
	role := ` role="group" data-arrows`
	if newest < 0 {
		role = ` role="img"`
	}
	return stripOf(label, room, role, func(m *markup) {
		for i, b := range bars {
			m.bar(b, i == newest)
		}
	})
}

// Bars draws runs as Strip does, as one picture of which no part has a label or
// leads anywhere, and which takes a fraction of the room: bars that look the same
// are one path. Lists are full of them.
func Bars(label string, runs []Run, room int) template.HTML {
	var results []Result // in the order in which they are met
	shapes := map[Result]string{}
	var corners strings.Builder
	for _, b := range barsOf(runs, room) {
		if shapes[b.Result] == "" {
			results = append(results, b.Result)
		}
		shapes[b.Result] += barShape(b.Result, b.x, b.height)
		if b.Result == Warned {
			corners.WriteString(corner(b.x, stripHigh-b.height))
		}
	}
	return stripOf(label, room, ` role="img"`, func(m *markup) {
		for _, r := range results {
			m.path("bar "+string(r), shapes[r])
		}
		if corners.Len() > 0 {
			m.path("late", corners.String())
		}
	})
}

// bar is a run with its place in a strip.
type bar struct {
	Run
	x, height float64
}

// barsOf places the newest runs in a strip that has room for so many.
func barsOf(runs []Run, room int) []bar {
	runs = runs[max(len(runs)-room, 0):]
	var took []time.Duration
	for _, r := range runs {
		if r.Result.began() {
			took = append(took, r.Took)
		}
	}
	scale := logScaleOf(took, stripFactor)
	bars := make([]bar, len(runs))
	for i, r := range runs {
		bars[i] = bar{r, float64((room - len(runs) + i) * barStep), barLeast}
		if r.Result.began() {
			bars[i].height += math.Round((stripHigh - barLeast) * scale.at(r.Took))
		}
	}
	return bars
}

// stripOf is the frame of a strip around what draw draws.
func stripOf(label string, room int, role string, draw func(*markup)) template.HTML {
	width := number(float64(room*barStep - (barStep - barWidth)))
	var m markup
	m.add(`<svg class="chart strip" width="`, width, `" height="`, number(stripHigh), `" viewBox="0 0 `, width, " ", number(stripHigh), `"`, role)
	m.attr("aria-label", label)
	m.add(">")
	draw(&m)
	m.add("</svg>")
	return template.HTML(m.String()) //nolint:gosec // what is not ours is escaped
}

// bar draws one run.
func (m *markup) bar(b bar, stop bool) {
	m.drawn(b.Run, stop, func() {
		m.path("hit", box(b.x-1, 0, barStep, stripHigh))
		m.path("bar "+string(b.Result), barShape(b.Result, b.x, b.height))
		if b.Result == Warned {
			m.path("late", corner(b.x, stripHigh-b.height))
		}
	})
}

// path draws an outline.
func (m *markup) path(class, outline string) {
	m.add(`<path class="`, class, `" d="`, outline, `"/>`)
}

// drawn draws a run with its label, as a link if it has an Href. The tabulator stops
// there if stop; the arrow keys do in any case.
func (m *markup) drawn(r Run, stop bool, draw func()) {
	end := "</g>"
	if r.Href == "" {
		m.add("<g>")
	} else {
		end = "</a>"
		m.add("<a")
		m.attr("href", r.Href)
		if !stop {
			m.add(` tabindex="-1"`)
		}
		m.add(">")
	}
	m.add("<title>")
	m.text(r.Label)
	m.add("</title>")
	draw()
	m.add(end)
}
