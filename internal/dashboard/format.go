package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// functions are what templates can say beyond their data.
func functions(a assets) template.FuncMap {
	return template.FuncMap{
		"asset":   a.path,
		"num":     num,
		"took":    took,
		"bytes":   size,
		"percent": percent,
		"visible": visible,
		"cut":     cut,
		"mark":    markOf,
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"list":    func(all ...any) []any { return all },
		"dict":    dict,
	}
}

// dict makes a map for a template that takes several values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict has %d values: it takes names and values", len(pairs))
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict has a name that is %T", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// num is a count with narrow blanks between thousands.
func num(n any) (string, error) {
	var digits string
	switch n := n.(type) {
	case int:
		digits = strconv.Itoa(n)
	case int64:
		digits = strconv.FormatInt(n, 10)
	default:
		return "", fmt.Errorf("num takes a whole number, and not %T", n)
	}
	sign := ""
	if digits[0] == '-' {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits, nil
}

// wholeNumber is a number with narrow blanks between thousands.
func wholeNumber(n int64) string {
	text, _ := num(n) // it takes whole numbers
	return text
}

// took is a duration as people say it, in two units at most: 320 ms, 4.2 s,
// 1 m 04 s, 2 h 10 m, 3 d 4 h, 90 d.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "−" + took(-d)
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 59500*time.Millisecond:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		d = d.Round(time.Second)
		return inUnits(d, time.Minute, "m", "%02d s", time.Second)
	case d < 48*time.Hour-30*time.Second:
		d = d.Round(time.Minute)
		return inUnits(d, time.Hour, "h", "%02d m", time.Minute)
	default:
		d = d.Round(time.Hour)
		return inUnits(d, 24*time.Hour, "d", "%d h", time.Hour)
	}
}

// inUnits is a duration in a unit and a smaller one, which is left out where there
// is nothing of it.
func inUnits(d, unit time.Duration, name, form string, smaller time.Duration) string {
	text := strconv.FormatInt(int64(d/unit), 10) + " " + name
	if rest := d % unit / smaller; rest > 0 {
		text += " " + fmt.Sprintf(form, rest)
	}
	return text
}

// size is a number of bytes.
func size(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, unit := range [...]string{"kB", "MB", "GB"} {
		f /= 1000
		if f < 999.5 {
			return strconv.FormatFloat(f, 'g', 3, 64) + " " + unit
		}
	}
	return strconv.FormatFloat(f/1000, 'f', 1, 64) + " TB"
}

// percent is a share. It never rounds up to all or down to nothing.
func percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case part == whole:
		return "100 %"
	case p > 99.9:
		return "99.9 %"
	case p > 0 && p < 0.1:
		return "0.1 %"
	}
	return strconv.FormatFloat(math.Round(p*10)/10, 'f', -1, 64) + " %"
}

// visible shows what a text holds that could not be seen, or could turn round what
// stands beside it: control characters as their pictures, and what directs the
// order of letters, or has no width, as its number.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune(0x2400 + r)
		case r == 0x7f:
			b.WriteRune(0x2421)
		case hidden(r):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' ||
		unicode.Is(unicode.Co, r) || r == '\u115f' || r == '\u3164'
}

// cut is a text of at most so many bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	i := most - len("…")
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "…"
}

// sentence begins with a capital and ends with a stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}
