package chart

import (
	"html/template"
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
	runs = runs[max(len(runs)-room, 0):]
	var took []time.Duration
	newest := -1 // the last that is a link
	for i, r := range runs {
		if r.Result.began() {
			took = append(took, r.Took)
		}
		if r.Href != "" {
			newest = i
		}
	}
	scale := logScaleOf(took, stripFactor)
	width := number(float64(room*barStep - (barStep - barWidth)))
	var m markup
	m.add(`<svg class="chart strip" width="`, width, `" height="`, number(stripHigh), `" viewBox="0 0 `, width, " ", number(stripHigh), `"`)
	if newest >= 0 {
		m.add(` role="group" data-arrows`)
	} else {
		m.add(` role="img"`)
	}
	m.attr("aria-label", label)
	m.add(">")
	first := room - len(runs)
	for i, r := range runs {
		x := float64((first + i) * barStep)
		height := float64(barLeast)
		if r.Result.began() {
			height += (stripHigh - barLeast) * scale.at(r.Took)
		}
		m.bar(r, x, height, i == newest)
	}
	m.add("</svg>")
	return template.HTML(m.String()) //nolint:gosec // what is not ours is escaped
}

// bar draws one run.
func (m *markup) bar(r Run, x, height float64, stop bool) {
	m.drawn(r, stop, func() {
		m.add(`<path class="hit" d="`, box(x-1, 0, barStep, stripHigh), `"/><path class="bar `, string(r.Result), `" d="`, barShape(r.Result, x, height), `"/>`)
		if r.Result == Warned {
			m.add(`<path class="late" d="`, corner(x, stripHigh-height), `"/>`)
		}
	})
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
