package chart

import "html/template"

// TimelineSigns are the shapes and patterns of timelines. A page with a timeline
// holds them once.
func TimelineSigns() template.HTML {
	const middle = laneHigh / 2.0
	ring := path("M", -4.5, middle, "a", 4.5, 4.5, 0, 1, 1, 9, 0, "a", 4.5, 4.5, 0, 1, 1, -9, 0, "z")
	var m markup
	m.add(`<svg class="signs" width="0" height="0" aria-hidden="true" focusable="false"><defs>`)
	// They look as what uses them says: selectors do not reach into what is used.
	shape := func(id, outline string) { m.add(`<path id="tl-`, id, `" d="`, outline, `"/>`) }
	shape("tick", path("M", -3.5, 1, "h", 7, "L", 0, tickHigh-1, "z"))
	shape("missed", ring)
	shape("refused", ring+path("M", -3, middle+3, "l", 6, -6))
	shape("failed", pointShape(Failed, 0, middle))
	shape("timedout", pointShape(TimedOut, 0, middle))
	shape("warned", path("M", -1, 0, "h", 6, "l", -6, 6, "z"))
	pattern := func(id, class, size, outline string) {
		m.add(`<pattern id="tl-`, id, `-fill" patternUnits="userSpaceOnUse" width="`, size, `" height="`, size, `"><path class="`, class, `" d="`, outline, `"/></pattern>`)
	}
	pattern("timedout", "hatch timedout-hatch", "5", "M-1 1l2-2M0 5l5-5M4 6l2-2")
	pattern("running", "hatch running-hatch", "8", "M-1 -1l10 10M-1 7l2 2M7-1l2 2")
	pattern("band", "hatch band-hatch", "7", "M-1 1l2-2M0 7l7-7M6 8l2-2")
	pattern("steady", "hatch steady-hatch", "4", "M2 0v4")
	m.add("</defs></svg>")
	return template.HTML(m.String()) //nolint:gosec // nobody's text
}

// Sample draws what a result looks like in a timeline, for its legend.
func Sample(r Result) template.HTML {
	var m markup
	m.sample()
	if r.began() {
		y, height := 0.0, float64(laneHigh)
		if r == Cancelled {
			y, height = laneHigh/2, laneHigh/2
		}
		m.box(r, 30, 60, y, height)
	}
	m.sign(r, 30, 0)
	m.add("</svg>")
	return template.HTML(m.String()) //nolint:gosec // nobody's text
}

// SampleOfExpected draws what an expected start looks like.
func SampleOfExpected() template.HTML {
	var m markup
	m.sample()
	m.add(`<use class="tick" href="#tl-tick" x="50%" y="3"/></svg>`)
	return template.HTML(m.String()) //nolint:gosec // nobody's text
}

// SampleOfBand draws what maintenance looks like.
func SampleOfBand() template.HTML {
	var m markup
	m.sample()
	m.add(`<rect class="band" fill="url(#tl-band-fill)" width="100%" height="14"/></svg>`)
	return template.HTML(m.String()) //nolint:gosec // nobody's text
}

func (m *markup) sample() {
	m.add(`<svg class="timeline sample" width="22" height="`, number(laneHigh), `" aria-hidden="true" focusable="false">`)
}
