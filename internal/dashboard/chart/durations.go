package chart

import (
	"html/template"
	"slices"
	"time"
)

// Durations is how long runs took, over time.
type Durations struct {
	Label string // of the whole, for who cannot see it
	Runs  []Run  // the oldest first; what never began is left out
	Lines []Line
	// Zone is where the times below the drawing are.
	Zone *time.Location
	// Took writes a duration.
	Took func(time.Duration) string
}

// Line is a duration that others are measured by, drawn from side to side.
type Line struct {
	Class string // of the style sheet
	Label string
	Took  time.Duration
}

// Sizes of the drawing.
const (
	plotLeft   = 68
	plotRight  = 700
	plotTop    = 10
	plotBottom = 190
	plotHigh   = 214
	plotWide   = 720
	// It spans at least a factor of three.
	durationFactor = 3
)

// Draw draws it.
func (d Durations) Draw() template.HTML {
	runs := slices.DeleteFunc(slices.Clone(d.Runs), func(r Run) bool { return !r.Result.began() })
	var took []time.Duration
	for _, r := range runs {
		took = append(took, max(r.Took, shortest))
	}
	for _, l := range d.Lines {
		took = append(took, l.Took)
	}
	scale := logScaleOf(took, durationFactor)
	margin := (scale.high - scale.low) / 20
	scale.low, scale.high = scale.low-margin, scale.high+margin
	var m markup
	m.add(`<svg class="chart durations" width="`, number(plotWide), `" height="`, number(plotHigh), `" viewBox="0 0 `, number(plotWide), " ", number(plotHigh),
		`" role="group" data-arrows`)
	m.attr("aria-label", d.Label)
	m.add(">")
	d.grid(&m, scale)
	if len(runs) > 0 {
		d.hours(&m, runs)
	}
	for _, l := range d.Lines {
		y := number(plotY(scale, l.Took))
		m.add(`<line class="`, l.Class, `" x1="`, number(plotLeft), `" x2="`, number(plotRight), `" y1="`, y, `" y2="`, y, `"><title>`)
		m.text(l.Label)
		m.add("</title></line>")
	}
	for i, r := range runs {
		m.point(r, plotX(runs, i), plotY(scale, r.Took), i == len(runs)-1)
	}
	m.add("</svg>")
	return template.HTML(m.String()) //nolint:gosec // what is not ours is escaped
}

func plotY(s logScale, d time.Duration) float64 {
	return plotBottom - (plotBottom-plotTop)*s.at(d)
}

// plotX places runs by when they began; all that there is of one moment stands in
// the middle.
func plotX(runs []Run, i int) float64 {
	first, last := runs[0].At, runs[len(runs)-1].At
	whole := last.Sub(first)
	if whole <= 0 {
		return (plotLeft + plotRight) / 2
	}
	share := float64(runs[i].At.Sub(first)) / float64(whole)
	return plotLeft + 6 + (plotRight-plotLeft-12)*min(max(share, 0), 1)
}

// grid draws the durations at the side.
func (d Durations) grid(m *markup, s logScale) {
	ticks := s.ticks()
	if len(ticks) < 2 { // between two round ones: as it is
		span := s.high - s.low
		ticks = []time.Duration{s.value(s.low + span/10), s.value(s.high - span/10)}
	}
	for _, t := range ticks {
		y := plotY(s, t)
		m.add(`<line class="grid" x1="`, number(plotLeft), `" x2="`, number(plotRight), `" y1="`, number(y), `" y2="`, number(y),
			`"/><text text-anchor="end" x="`, number(plotLeft-6), `" y="`, number(y+4), `">`)
		m.text(d.Took(t))
		m.add("</text>")
	}
}

// hours draws when the first and the last began, and the one between.
func (d Durations) hours(m *markup, runs []Run) {
	first, last := runs[0].At.In(d.Zone), runs[len(runs)-1].At.In(d.Zone)
	form := "2 Jan 15:04"
	switch span := last.Sub(first); {
	case span > 60*24*time.Hour:
		form = "2 Jan 2006"
	case span < time.Hour:
		form = "15:04:05"
	}
	write := func(x float64, anchor string, t time.Time) {
		m.add(`<text text-anchor="`, anchor, `" x="`, number(x), `" y="`, number(plotHigh-6), `">`, t.Format(form), "</text>")
	}
	if !last.After(first) {
		write((plotLeft+plotRight)/2, "middle", last)
		return
	}
	write(plotLeft, "start", first)
	write((plotLeft+plotRight)/2, "middle", first.Add(last.Sub(first)/2))
	write(plotRight, "end", last)
}

// point draws one run: a shape that tells what came of it where colours do not.
func (m *markup) point(r Run, x, y float64, stop bool) {
	m.drawn(r, stop, func() {
		m.path("hit", box(x-5, y-5, 10, 10))
		m.path("point "+string(r.Result), pointShape(r.Result, x, y))
	})
}

// pointShape is a disc for what ended well, a triangle if it warned, a cross for what failed, a diamond for
// what was timed out, a ring for what runs and a square for what was cancelled.
func pointShape(r Result, x, y float64) string {
	circle := func(r float64) string {
		return path("M", x-r, y, "a", r, r, 0, 1, 1, 2*r, 0, "a", r, r, 0, 1, 1, -2*r, 0, "z")
	}
	switch r {
	case Failed:
		return path("M", x-4, y-2.5, "l", 1.5, -1.5, "l", 2.5, 2.5, "l", 2.5, -2.5, "l", 1.5, 1.5, "l", -2.5, 2.5, "l", 2.5, 2.5,
			"l", -1.5, 1.5, "l", -2.5, -2.5, "l", -2.5, 2.5, "l", -1.5, -1.5, "l", 2.5, -2.5, "z")
	case TimedOut:
		return path("M", x, y-4.5, "l", 4.5, 4.5, "l", -4.5, 4.5, "l", -4.5, -4.5, "z")
	case Running:
		return circle(4) + path("M", x-2.5, y, "a", 2.5, 2.5, 0, 1, 0, 5, 0, "a", 2.5, 2.5, 0, 1, 0, -5, 0, "z")
	case Cancelled:
		return box(x-3, y-3, 6, 6)
	case Warned:
		return path("M", x, y-4, "l", 4, 7, "h", -8, "z")
	case OK, Missed, Refused:
	}
	return circle(3)
}
