package chart

import "html/template"

// Histogram is how many there are of each kind, as bars one below the other.
type Histogram struct {
	Label   string // of the whole, for who cannot see it
	Buckets []Bucket
}

// Bucket is one bar.
type Bucket struct {
	Label string
	Class string // of the style sheet
	Count int64
	Said  string // the count in words, such as "more than 100 000"
}

// Sizes of the drawing.
const (
	bucketLeft  = 72 // the labels stand left of it
	bucketPlot  = 300
	bucketRight = 120 // room for the counts
	bucketStep  = 24
	bucketHigh  = 15
	bucketLeast = 2 // length of what is not nothing
)

// Draw draws it.
func (h Histogram) Draw() template.HTML {
	most := int64(1)
	for _, b := range h.Buckets {
		most = max(most, b.Count)
	}
	const wide = bucketLeft + bucketPlot + bucketRight
	high := number(float64(len(h.Buckets)*bucketStep + 2))
	var m markup
	m.add(`<svg class="chart histogram" width="`, number(wide), `" height="`, high, `" viewBox="0 0 `, number(wide), " ", high, `" role="img"`)
	m.attr("aria-label", h.Label)
	m.add(">")
	for i, b := range h.Buckets {
		top := float64(i * bucketStep)
		length := 0.0
		if b.Count > 0 {
			length = max(bucketPlot*float64(b.Count)/float64(most), bucketLeast)
		}
		text := number(top + bucketHigh - 2)
		m.add(`<text text-anchor="end" x="`, number(bucketLeft-8), `" y="`, text, `">`)
		m.text(b.Label)
		m.add("</text>")
		if length > 0 {
			m.add(`<path class="`, b.Class, `" d="`, box(bucketLeft, top+1, length, bucketHigh), `"/>`)
		}
		m.add(`<text x="`, number(bucketLeft+length+6), `" y="`, text, `">`)
		m.text(b.Said)
		m.add("</text>")
	}
	m.add(`<line class="axis" x1="`, number(bucketLeft), `" x2="`, number(bucketLeft), `" y1="0" y2="`, high, `"/></svg>`)
	return template.HTML(m.String()) //nolint:gosec // what is not ours is escaped
}
