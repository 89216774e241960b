package dashboard

import (
	"slices"
	"strconv"
	"strings"
)

// cronFields are what the fields of an expression may hold.
var cronFields = [5]cronValues{
	{0, 59, nil}, {0, 23, nil}, {1, 31, nil},
	{1, 12, []string{"", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

type cronValues struct {
	least, most int
	names       []string // by value
}

// cronField is the values of a field.
type cronField struct {
	values []int // in order
	star   bool  // the field restricts nothing
	full   bool  // it has all values, however it says so
}

// read gives the values of a field; false if it cannot be read.
func (v cronValues) read(text string) (f cronField, ok bool) {
	f.star = text == "*" || text == "?"
	for item := range strings.SplitSeq(text, ",") {
		span, by, stepped := strings.Cut(item, "/")
		first, last, step := v.least, v.most, 1
		if stepped {
			if step, ok = cronNumber(by); !ok || step == 0 {
				return f, false
			}
		}
		if span != "*" && span != "?" {
			from, to, ranged := strings.Cut(span, "-")
			if first, ok = v.value(from); !ok {
				return f, false
			}
			switch {
			case ranged:
				if last, ok = v.value(to); !ok {
					return f, false
				}
			case !stepped:
				last = first
			}
		}
		for n := first; n <= last; n += step {
			if v.most == 7 { // Sunday has two numbers
				f.values = append(f.values, n%7)
			} else {
				f.values = append(f.values, n)
			}
		}
	}
	slices.Sort(f.values)
	f.values = slices.Compact(f.values)
	all := v.most - v.least + 1
	if v.most == 7 {
		all = 7
	}
	f.full = len(f.values) == all
	return f, len(f.values) > 0
}

func (v cronValues) value(text string) (int, bool) {
	n, ok := cronNumber(text)
	if i := slices.Index(v.names, text); i >= 0 && text != "" {
		n, ok = i, true
	}
	return n, ok && n >= v.least && n <= v.most
}

func cronNumber(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n < 1000
}

// step gives the distance between values that go evenly round all n of them, from
// the first on; 0 if they do not.
func (f cronField) step(n int) (first, step int) {
	first = f.values[0]
	if len(f.values) < 2 {
		return first, 0
	}
	step = f.values[1] - first
	for i, v := range f.values {
		if v != first+i*step {
			return first, 0
		}
	}
	if n%step != 0 || len(f.values)*step != n {
		return first, 0
	}
	return first, step
}

// run gives the ends of values without gaps, of which there are at least three.
func (f cronField) run() (first, last int, ok bool) {
	first, last = f.values[0], f.values[len(f.values)-1]
	return first, last, len(f.values) > 2 && last-first == len(f.values)-1
}
