// Package misspelt finds the name that was meant by one that nobody knows.
package misspelt

import (
	"slices"
	"strings"
)

// Nearest is the known name that a slip of the keyboard turns into name, in
// whatever case; "" if there is none. Of names of up to 10 characters it takes one
// slip for a mistake: they have neighbours that are meant.
func Nearest(name string, known []string) string { return within(name, known, 10) }

// Member is the name of a member or parameter that is most likely meant: the only
// one that goes on where name ends, as max_runtime_seconds does after max_runtime,
// or else one that a slip or two of the keyboard turn into name; "" if there is none.
func Member(name string, known []string) string {
	longer := ""
	for _, k := range known {
		if strings.HasPrefix(k, strings.ToLower(name)+"_") {
			if longer != "" {
				longer = ""
				break
			}
			longer = k
		}
	}
	if longer != "" {
		return longer
	}
	return within(name, known, 7)
}

// within looks for the nearest, of names of up to short characters one slip away, of
// others two.
func within(name string, known []string, short int) string {
	best, least := "", 3
	for _, k := range slices.Sorted(slices.Values(known)) {
		most := 2
		if len(k) <= short {
			most = 1
		}
		if len(name) > len(k)+most || len(k) > len(name)+most {
			continue
		}
		if d := distance(strings.ToUpper(name), strings.ToUpper(k)); d <= most && d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the bytes inserted, deleted, replaced or swapped with their
// neighbour between a and b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
