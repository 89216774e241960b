package campaign

import (
	"cmp"
	"slices"
)

// entry is a place in a list, as a number of 128 bits that entries are sorted by.
type entry struct{ a, b uint64 }

func (e entry) compare(other entry) int {
	return cmp.Or(cmp.Compare(e.a, other.a), cmp.Compare(e.b, other.b))
}

// index is a sorted list that entries are added to. What no longer holds stays
// in it until there is much of it: whoever reads it asks of each entry.
type index struct {
	old, fresh []entry // both sorted; fresh is the smaller one
}

const smallIndex = 1_024

// add puts entries into the list, in any order.
func (x *index) add(entries []entry, holds func(entry) bool) {
	if len(entries) == 0 {
		return
	}
	slices.SortFunc(entries, entry.compare)
	if len(x.old) == 0 && len(x.fresh) == 0 {
		x.old = slices.Clone(entries)
		return
	}
	x.fresh = merge(x.fresh, entries)
	if len(x.fresh) > max(smallIndex, len(x.old)/4) {
		whole := slices.DeleteFunc(merge(x.old, x.fresh), func(e entry) bool { return !holds(e) })
		x.old, x.fresh = slices.Compact(whole), nil
	}
}

// from gives the entries later than one, in order, each once, until use says that
// it is enough.
func (x *index) from(after entry, inclusive bool, use func(entry) bool) {
	start := func(list []entry) int {
		at, found := slices.BinarySearchFunc(list, after, entry.compare)
		for found && !inclusive && at < len(list) && list[at] == after {
			at++
		}
		return at
	}
	i, j := start(x.old), start(x.fresh)
	var last entry
	for first := true; i < len(x.old) || j < len(x.fresh); {
		var e entry
		if j == len(x.fresh) || i < len(x.old) && x.old[i].compare(x.fresh[j]) <= 0 {
			e, i = x.old[i], i+1
		} else {
			e, j = x.fresh[j], j+1
		}
		if first || e != last {
			if !use(e) {
				return
			}
		}
		first, last = false, e
	}
}

// merge makes one sorted list of two.
func merge(a, b []entry) []entry {
	list := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].compare(b[0]) <= 0 {
			list, a = append(list, a[0]), a[1:]
		} else {
			list, b = append(list, b[0]), b[1:]
		}
	}
	return append(append(list, a...), b...)
}
