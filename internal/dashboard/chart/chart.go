// Package chart draws what pages show as SVG: pure functions from values to
// markup.
//
// The server's pages allow no inline style, so that drawings say how they look by
// presentation attributes and by classes of the style sheet. All text that is
// drawn is escaped here.
package chart

import (
	"html"
	"strconv"
	"strings"
	"time"
)

// markup collects elements.
type markup struct{ strings.Builder }

// add writes markup as it is; its parts must be our own.
func (m *markup) add(parts ...string) {
	for _, p := range parts {
		m.WriteString(p)
	}
}

// text writes somebody's text.
func (m *markup) text(s string) { m.WriteString(html.EscapeString(s)) }

// attr writes an attribute with somebody's text as its value.
func (m *markup) attr(name, value string) {
	m.add(" ", name, `="`, html.EscapeString(value), `"`)
}

// number writes a coordinate to a tenth of a unit.
func number(f float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0")
}

// Result is what came of a run, as far as a drawing tells it apart. Each has a
// colour and a shape of its own.
type Result string

// The results. Their values are classes of the style sheet.
const (
	OK        Result = "ok"
	Warned    Result = "ok warned" // it ended well, and warned
	Failed    Result = "failed"
	TimedOut  Result = "timedout"
	Running   Result = "running"
	Cancelled Result = "cancelled"
	Missed    Result = "missed"  // it never began
	Refused   Result = "refused" // likewise
)

// began tells whether there was a run, which then took some time.
func (r Result) began() bool { return r != Missed && r != Refused }

// Run is one run in a drawing.
type Run struct {
	Result Result
	At     time.Time // when it began, or should have
	Took   time.Duration
	Label  string // what it is, in a few words: for whoever points at it or cannot see it
	Href   string // where it leads to; "" is nowhere
}
