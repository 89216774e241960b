package schedule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/robfig/cron/v3"
)

// field is one of the five of an expression.
type field struct {
	name  string
	place cron.ParseOption
	names []string // that may stand for numbers
	hint  string
}

var fields = []field{
	{"minute", cron.Minute, nil, `write minutes from 0 to 59, such as "0", "*/5" or "0,30"`},
	{"hour", cron.Hour, nil, `write hours from 0 to 23, such as "*", "3", "8-18" or "*/2"`},
	{"day of the month", cron.Dom, nil, `write days from 1 to 31, such as "*", "1" or "1,15"`},
	{"month", cron.Month, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}, `write months from 1 to 12, such as "*", "1-6" or "JAN,JUL"`},
	{"day of the week", cron.Dow, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}, `write days from 0, Sunday, to 6 or their names, such as "*", "MON-FRI" or "SAT,SUN"`},
}

// shorthands are expressions with a name.
var shorthands = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// parseExpression reads the words of a cron expression; there is at least one.
func parseExpression(words []string) (text string, p pattern, err error) {
	if strings.HasPrefix(words[0], "@") {
		text = strings.ToLower(strings.Join(words, " "))
		expression, ok := shorthands[text]
		if !ok {
			return "", pattern{}, unknownShorthand(words)
		}
		words = strings.Fields(expression)
	} else {
		text = strings.ToUpper(strings.Join(words, " "))
		words = strings.Fields(text)
	}
	if strings.Contains(words[0], "TZ=") {
		return "", pattern{}, invalid(`give the zone as the time zone, and only the expression here: "0 3 * * *"`,
			"the schedule %q names a time zone", text)
	}
	if len(words) != len(fields) {
		return "", pattern{}, wrongCount(text, len(words))
	}
	var masks, stars [5]uint64
	for i, f := range fields {
		mask, err := f.parse(words[i])
		if err != nil {
			return "", pattern{}, err
		}
		masks[i], stars[i] = mask&^star, mask&star
	}
	p = pattern{masks[0], masks[1], masks[2], masks[3], masks[4], stars[2]|stars[4] == 0}
	if _, ok := p.next(0); !ok {
		return "", pattern{}, invalid(`choose a day that its months have, such as "0 0 28 2 *"`,
			"day of the month %q never comes in month %q", words[2], words[3])
	}
	return text, p, nil
}

// star is set in the mask of a field that is "*", which restricts nothing.
const star = 1 << 63

// parse gives the field's values as bits. The parser names neither the field nor
// minds what it makes no sense of, as in "1,,2" or "*-5"; hence the check before.
func (f field) parse(text string) (uint64, error) {
	items := strings.Split(text, ",")
	for i, item := range items {
		if !f.wellFormed(item) {
			return 0, invalid(f.hint, "%s %q: %q is no value, range or step", f.name, text, item)
		}
		if f.place == cron.Dow {
			items[i] = sunday(item)
		}
	}
	parsed, err := cron.NewParser(f.place).Parse(strings.Join(items, ","))
	if err != nil {
		return 0, invalid(f.hint, "%s %q: %s", f.name, text, f.plainly(err))
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return 0, fmt.Errorf("parse %s %q: got a %T", f.name, text, parsed)
	}
	switch f.place {
	case cron.Minute:
		return spec.Minute, nil
	case cron.Hour:
		return spec.Hour, nil
	case cron.Dom:
		return spec.Dom, nil
	case cron.Month:
		return spec.Month, nil
	default:
		return spec.Dow, nil
	}
}

// plainly is the parser's error, in plain words where it speaks of a value as of a range.
func (f field) plainly(err error) string {
	const outside = `^(?:beginning|end) of range \((\d+)\) (above|below) (?:maximum|minimum) \((\d+)\)`
	said := regexp.MustCompile(outside).FindStringSubmatch(err.Error())
	if said == nil {
		return err.Error()
	}
	value, where, bound := said[1], said[2], said[3]
	if f.place == cron.Dow && where == "above" {
		bound = "7" // Sunday; see sunday
	}
	return value + " is " + where + " " + bound
}

// wellFormed tells whether item is VALUE, VALUE-VALUE or *, with /STEP or without.
func (f field) wellFormed(item string) bool {
	values, step, stepped := strings.Cut(item, "/")
	if stepped && !number(step) {
		return false
	}
	if values == "*" || values == "?" {
		return true
	}
	first, last, ranged := strings.Cut(values, "-")
	return f.value(first) && (!ranged || f.value(last))
}

func (f field) value(s string) bool {
	return number(s) || slices.Contains(f.names, s)
}

func number(s string) bool {
	return s != "" && len(s) <= 9 && strings.Trim(s, "0123456789") == ""
}

// sunday writes Sunday as the parser knows it where it is 7.
func sunday(item string) string {
	if item == "7" {
		return "0"
	}
	if first, ok := strings.CutSuffix(item, "-7"); ok {
		return first + "-6,0"
	}
	return item
}

func unknownShorthand(words []string) error {
	switch name := strings.ToLower(words[0]); name {
	case "@every":
		return invalid(`write "every 10m"`, "the schedule has %q, and an interval is written without the @", name)
	case "@reboot":
		return invalid("leave the schedule empty, or write one such as "+example, "%q has no times that could be expected", name)
	default:
		return invalid(`write one such as "@hourly", "@daily", "@weekly", "@monthly" or "@yearly"`,
			"there is no schedule %q", strings.Join(words, " "))
	}
}

func wrongCount(text string, n int) error {
	hint := "write minute, hour, day of the month, month and day of the week, or an interval: " + example
	if n == len(fields)+1 {
		hint = "leave out the seconds, or the year: " + example
	}
	return invalid(hint, "a cron expression has 5 fields, and %q has %d", text, n)
}
