package chart

import (
	"html/template"
	"math"
	"time"
)

// Sizes of a track, in pixels. Ticks stand above the lanes.
const (
	tickHigh = 8
	laneHigh = 14
	laneGap  = 2
	mostLane = 6 // what overlaps even more shares the last one
)

// Draw draws a track. Bars, marks and blocks with an Href are links: the arrow
// keys go from one to the next, and the tabulator stops at the last alone.
func (k Track) Draw(t Timeline) template.HTML {
	lanes, count := lanesOf(k.Runs)
	if len(k.Blocks) > 0 && len(k.Runs) > 0 {
		count++ // blocks stand below the runs
	}
	height := tickHigh + count*(laneHigh+laneGap) + laneGap
	var m markup
	t.open(&m, height)
	links := k.links()
	if links > 0 {
		m.add(` role="group" data-arrows`)
	} else {
		m.add(` role="img"`)
	}
	m.attr("aria-label", k.Label)
	m.add(">")
	for _, at := range wallTicks(t.Zone, t.Since, t.Until, t.grain().named) {
		m.vertical("grid", t.share(at), "")
	}
	for _, b := range k.Bands {
		m.band(t, b, "band", 0, float64(height))
	}
	for _, b := range k.Steady {
		m.band(t, b, "steady", 1, tickHigh-3)
	}
	for _, at := range k.Expected {
		if t.has(at) {
			m.add(`<use class="tick" href="#tl-tick" x="`, percent(t.share(at)), `"/>`)
		}
	}
	m.blocks(t, k.Blocks, float64(height), &links)
	for i, r := range k.Runs {
		links -= m.link(r.Href, links == 1)
		m.run(t, r, tickHigh+float64(lanes[i]*(laneHigh+laneGap)))
		m.unlink(r.Href)
	}
	t.now(&m)
	m.add("</svg>")
	return template.HTML(m.String()) //nolint:gosec // what is not ours is escaped
}

func (k Track) links() (n int) {
	for _, r := range k.Runs {
		if r.Href != "" {
			n++
		}
	}
	for _, b := range k.Blocks {
		if b.Href != "" {
			n++
		}
	}
	return n
}

// lanesOf gives the lane of each run: the first that is free when it begins.
func lanesOf(runs []Run) (lanes []int, count int) {
	var free []time.Time // when each lane is
	lanes = make([]int, len(runs))
	for i, r := range runs {
		lane := 0
		for lane < len(free) && lane < mostLane-1 && free[lane].After(r.At) {
			lane++
		}
		if lane == len(free) {
			free = append(free, r.At)
		}
		if r.Result.began() {
			if end := r.At.Add(r.Took); end.After(free[lane]) {
				free[lane] = end
			}
		}
		lanes[i] = lane
	}
	return lanes, max(len(free), 1)
}

// link begins a link, or a group if there is none, and tells how many links it
// began.
func (m *markup) link(href string, stop bool) int {
	if href == "" {
		m.add("<g>")
		return 0
	}
	m.add("<a")
	m.attr("href", href)
	if !stop {
		m.add(` tabindex="-1"`)
	}
	m.add(">")
	return 1
}

func (m *markup) unlink(href string) {
	if href == "" {
		m.add("</g>")
	} else {
		m.add("</a>")
	}
}

// run draws one run in its lane, whose top is given.
func (m *markup) run(t Timeline, r Run, top float64) {
	m.add("<title>")
	m.text(r.Label)
	m.add("</title>")
	from, until := t.share(r.At), t.share(r.At.Add(r.Took))
	if !r.Result.began() {
		m.sign(r.Result, from, top)
		return
	}
	y, height := top, float64(laneHigh)
	if r.Result == Cancelled {
		y, height = top+laneHigh/2, laneHigh/2
	}
	m.box(r.Result, from, until-from, y, height)
	m.sign(r.Result, from, top)
}

// box draws a bar. Those that are hatched or striped say so without colours.
func (m *markup) box(r Result, x, width, y, height float64) {
	m.add(`<rect class="`, class(r), `"`)
	if r == TimedOut || r == Running {
		m.add(` fill="url(#tl-`, string(r), `-fill)"`)
	}
	m.add(` x="`, percent(x), `" y="`, number(y), `" width="`, percent(max(width, narrowest)), `" height="`, number(height), `"/>`)
}

// narrowest is the width of a bar, in hundredths of the whole, that is still drawn:
// its outline makes it as wide as can be seen.
const narrowest = 0.01

// class is that of a bar: what fills it may be a pattern.
func class(r Result) string {
	switch r {
	case TimedOut, Running:
		return "bar filled " + string(r) + "-bar"
	case Warned:
		return "bar ok"
	case OK, Failed, Cancelled, Missed, Refused:
	}
	return "bar " + string(r)
}

// sign draws the shape of what a bar is too narrow to tell.
func (m *markup) sign(r Result, x, top float64) {
	name, class := string(r), string(r)+" sign"
	switch r {
	case Warned:
		name, class = "warned", "late"
	case Missed:
		class = "missed mark"
	case Refused:
		class = "slashed mark"
	case Failed, TimedOut:
	case OK, Running, Cancelled:
		return
	}
	m.add(`<use class="`, class, `" href="#tl-`, name, `" x="`, percent(x), `" y="`, number(top), `"/>`)
}

func (m *markup) band(t Timeline, b Band, kind string, y, height float64) {
	from, until := t.share(b.Since), t.share(b.Until)
	if until <= from {
		return
	}
	m.add(`<rect class="`, kind, `" fill="url(#tl-`, kind, `-fill)" x="`, percent(from), `" y="`, number(y), `" width="`, percent(until-from),
		`" height="`, number(height), `"><title>`)
	m.text(b.Label)
	m.add("</title></rect>")
}

// blocks draws stretches as high as what they count, by its logarithm.
func (m *markup) blocks(t Timeline, all []Block, height float64, links *int) {
	most := 1.0
	for _, b := range all {
		most = max(most, math.Log1p(float64(b.Count)))
	}
	const low = 4
	for _, b := range all {
		*links -= m.link(b.Href, *links == 1)
		m.add("<title>")
		m.text(b.Label)
		m.add("</title>")
		from, until := t.share(b.Since), t.share(b.Until)
		high := low + (laneHigh-low)*math.Log1p(float64(b.Count))/most
		m.box(b.Result, from, until-from, height-laneGap-high, high)
		m.unlink(b.Href)
	}
}
