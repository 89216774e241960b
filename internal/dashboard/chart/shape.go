package chart

import "strings"

// barShape is the outline of a bar that stands on the bottom of a strip. Without
// colours, what came of runs is told apart by it: notched on top is failed, sliced
// is timed out, a frame half full is running, thin is cancelled, a ring is missed
// and a slash is refused.
func barShape(r Result, x, height float64) string {
	top := stripHigh - height
	const half = barWidth / 2.0
	switch r {
	case Failed:
		return path("M", x, top, "L", x+half, top+half+1, "L", x+barWidth, top, "V", stripHigh, "H", x, "Z")
	case TimedOut:
		var b strings.Builder
		for y := float64(stripHigh); y > top; y -= 4 {
			from := max(y-2.5, top)
			b.WriteString(box(x, from, barWidth, y-from))
		}
		return b.String()
	case Running:
		// The frame is wound one way and its hole the other.
		hole := ""
		if height > 6 {
			hole = path("M", x+1, top+1, "V", top+height/2, "H", x+barWidth-1, "V", top+1, "Z")
		}
		return box(x, top, barWidth, height) + hole
	case Cancelled:
		return box(x+1, top, barWidth-2, height)
	case Missed:
		const r = half - 0.5
		return path("M", x+0.5, stripHigh-half, "a", r, r, 0, 1, 1, 2*r, 0, "a", r, r, 0, 1, 1, -2*r, 0, "Z")
	case Refused:
		return path("M", x, stripHigh-1.5, "L", x+barWidth-1.5, stripHigh-barWidth, "H", x+barWidth, "V", stripHigh-barWidth+1.5, "L", x+1.5, stripHigh, "H", x, "Z")
	case OK, Warned:
	}
	return box(x, top, barWidth, height)
}

// corner is the upper right corner of a bar.
func corner(x, top float64) string {
	return path("M", x+1, top, "H", x+barWidth, "V", top+barWidth-1, "Z")
}

// box is the outline of a rectangle, wound clockwise.
func box(x, y, width, height float64) string {
	return path("M", x, y, "h", width, "v", height, "h", -width, "z")
}

// path writes the commands of a path and their numbers.
func path(parts ...any) string {
	var b strings.Builder
	first := true // the last was a command
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b.WriteString(p)
			first = true
		case int:
			first = next(&b, float64(p), first)
		case float64:
			first = next(&b, p, first)
		}
	}
	return b.String()
}

func next(b *strings.Builder, f float64, first bool) bool {
	text := number(f)
	if !first && text[0] != '-' {
		b.WriteByte(' ')
	}
	b.WriteString(text)
	return false
}
