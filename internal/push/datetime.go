package push

import (
	"strings"
	"time"
)

// parseTime reads a time in one of the ways that the contract names, in UTC if it
// names no zone, or tells what is wrong with it. Beyond microseconds it is cut.
func parseTime(s string) (t time.Time, wrong string) {
	p := scanner{rest: s, ok: true}
	year := p.number(4, 4)
	p.one("-")
	month := p.number(1, 2)
	p.one("-")
	day := p.number(1, 2)
	p.one("T ")
	hour := p.number(1, 2)
	p.one(":")
	minute := p.number(1, 2)
	second, micros := 0, 0
	if p.maybe(":") {
		second = p.number(1, 2)
		if p.maybe(".,") {
			micros = p.fraction()
		}
	}
	offset := p.zone()
	if !p.ok || p.rest != "" {
		return time.Time{}, wrongFormat
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC)
	y, m, d := t.Date()
	if year == 0 || y != year || int(m) != month || d != day || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, wrongFormat // there is no such time
	}
	if t = t.Add(-offset); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, outOfRange
	}
	return t, ""
}

// scanner reads a text from left to right, as long as it is ok.
type scanner struct {
	rest string
	ok   bool
}

// digits reads from least to most digits.
func (p *scanner) digits(least, most int) string {
	n := 0
	for n < most && n < len(p.rest) && '0' <= p.rest[n] && p.rest[n] <= '9' {
		n++
	}
	digits := p.rest[:n]
	p.rest, p.ok = p.rest[n:], p.ok && n >= least
	return digits
}

func (p *scanner) number(least, most int) (n int) {
	for _, c := range []byte(p.digits(least, most)) {
		n = 10*n + int(c-'0')
	}
	return n
}

// fraction reads one to twelve digits after the point, and gives microseconds.
func (p *scanner) fraction() (n int) {
	digits := p.digits(1, 12)
	for i := range 6 {
		n *= 10
		if i < len(digits) {
			n += int(digits[i] - '0')
		}
	}
	return n
}

// maybe reads one of some bytes, if one is there.
func (p *scanner) maybe(among string) bool {
	if p.rest == "" || strings.IndexByte(among, p.rest[0]) < 0 {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *scanner) one(among string) { p.ok = p.maybe(among) && p.ok }

// zone reads how far a zone is ahead of UTC: Z, ±hh, ±hhmm, ±hh:mm or nothing.
func (p *scanner) zone() time.Duration {
	if p.rest == "" || p.maybe("Z") {
		return 0
	}
	west := strings.HasPrefix(p.rest, "-")
	p.one("+-")
	minutes := 60 * p.number(2, 2)
	if p.rest != "" {
		p.maybe(":")
		minutes += p.number(2, 2)
	}
	if minutes >= 24*60 {
		p.ok = false
	}
	if west {
		minutes = -minutes
	}
	return time.Duration(minutes) * time.Minute
}
