package chart

import (
	"html/template"
	"strconv"
	"time"
)

// Timeline is a stretch of time from left to right. What is drawn in it is as wide
// as its place on the page: times are shares of the width, and shapes have sizes in
// pixels.
type Timeline struct {
	Since time.Time
	Until time.Time
	Now   time.Time // where the line is that tells what was from what is to come
	Zone  *time.Location
}

// Track is one row of a timeline.
type Track struct {
	Label string // of the row, for who cannot see it
	// Runs are drawn as bars, and as marks if they never began; those that overlap
	// stand below each other. The oldest is first.
	Runs []Run
	// Blocks stand in place of runs of which there are too many, below those that are
	// drawn nevertheless.
	Blocks []Block
	// Expected are the times at which a start was, or is, expected.
	Expected []time.Time
	// Steady are stretches in which starts are expected too often to tell one from the
	// next.
	Steady []Band
	Bands  []Band // of maintenance
}

// Block is many runs of a stretch of time.
type Block struct {
	Since  time.Time
	Until  time.Time
	Result Result // the worst
	Count  int64
	Label  string
	Href   string // where it leads to; "" is nowhere
}

// Band is a stretch of time.
type Band struct {
	Since time.Time
	Until time.Time
	Label string
}

// axisHigh is the height of an axis, in pixels.
const axisHigh = 22

// Axis draws the times of the stretch. Its label says what it is.
func (t Timeline) Axis(label string) template.HTML {
	var m markup
	t.open(&m, axisHigh)
	m.add(` role="img"`)
	m.attr("aria-label", label)
	m.add(">")
	step := t.grain().named
	for _, at := range wallTicks(t.Zone, t.Since, t.Until, step) {
		x := t.share(at)
		if x < edge || x > 100-edge {
			continue // half of it would stand outside
		}
		m.add(`<text x="`, percent(x), `" y="14" text-anchor="middle">`, tickLabel(at.In(t.Zone), step), "</text>")
	}
	for _, c := range changes(t.Zone, t.Since, t.Until) {
		m.vertical("change", t.share(c.at), "the clocks go from "+c.from+" to "+c.to)
	}
	t.now(&m)
	m.add("</svg>")
	return template.HTML(m.String()) //nolint:gosec // what is not ours is escaped
}

// edge is how near to a side, in hundredths of the width, no time is named.
const edge = 4

func (Timeline) open(m *markup, height int) {
	m.add(`<svg class="timeline" width="100%" height="`, strconv.Itoa(height), `"`)
}

func (t Timeline) now(m *markup) {
	if !t.Now.Before(t.Since) && t.Now.Before(t.Until) {
		m.vertical("now", t.share(t.Now), "now")
	}
}

// vertical draws a line from top to bottom.
func (m *markup) vertical(class string, x float64, title string) {
	m.add(`<line class="`, class, `" x1="`, percent(x), `" x2="`, percent(x), `" y1="0" y2="100%">`)
	if title != "" {
		m.add("<title>")
		m.text(title)
		m.add("</title>")
	}
	m.add("</line>")
}

// share is where a time is, in hundredths of the width: at a side if it is beyond.
func (t Timeline) share(at time.Time) float64 {
	whole := t.Until.Sub(t.Since)
	if whole <= 0 {
		return 0
	}
	return min(max(100*float64(at.Sub(t.Since))/float64(whole), 0), 100)
}

// has tells whether a time is in the stretch.
func (t Timeline) has(at time.Time) bool { return !at.Before(t.Since) && at.Before(t.Until) }

// percent writes a share of the width: on a screen of 4,000 pixels it is exact to
// one.
func percent(x float64) string {
	return strconv.FormatFloat(float64(int(x*100+0.5))/100, 'f', -1, 64) + "%"
}
