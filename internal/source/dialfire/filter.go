package dialfire

import (
	"slices"
	"strings"
)

// FilterKind says which kinds of transactions are carried.
type FilterKind uint8

// The kinds of filters.
const (
	All           FilterKind = iota // every transaction
	UpdatesOnly                     // those of type update, and those without a type
	HIUpdatesOnly                   // of those, the ones that a user made and that are no mere assignment
)

// Filter says which transactions are carried. The zero value carries all.
type Filter struct {
	Kind     FilterKind
	Prefixes []string // of tasks; empty carries all, and a transaction without a task always passes
}

// carries tells of a transaction with these values, nil where it has none.
func (f Filter) carries(typ, user, statusDetail, task any) bool {
	if f.Kind != All && typ != nil && typ != "update" {
		return false
	}
	if f.Kind == HIUpdatesOnly && (user == nil || user == "" || statusDetail == "$assigned") {
		return false
	}
	name, ok := task.(string)
	return !ok || len(f.Prefixes) == 0 ||
		slices.ContainsFunc(f.Prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
