package sqlsink

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"ferryman/internal/pipeline"
)

// columnNames are the names that a table's columns have in the database, first those
// of Columns, then those of Stamps. Where the database could not tell two apart, or
// has no such name, a column gets one that is made from its own. have is the table
// as it stands, or nil: a name that was given once is found there again, whatever
// columns have come and gone since.
func columnNames(tr traits, t *pipeline.Table, have *description) []string {
	n := naming{tr: tr, taken: map[string]bool{}, there: map[string]string{}, exact: map[string]bool{}}
	if have != nil {
		for _, c := range have.columns {
			n.there[n.fold(c.name)] = c.name
			n.exact[c.name] = true
		}
	}
	names := make([]string, len(t.Columns)+len(t.Stamps))
	assign := func(i int, name string) {
		names[i] = name
		n.taken[n.fold(name)] = true
	}
	// Keys and stamps come first. No table goes without them, so they take what is
	// there in another case.
	first := t.KeyIndexes()
	for i := range t.Stamps {
		first = append(first, len(t.Columns)+i)
	}
	for _, i := range first {
		if i >= 0 && names[i] == "" {
			assign(i, n.essential(nameOf(t, i)))
		}
	}
	for _, choose := range []func(string) string{n.standing, n.derivedBefore, n.plain, n.derived} {
		for i, c := range t.Columns {
			if names[i] != "" {
				continue
			}
			if name := choose(c.Name); name != "" {
				assign(i, name)
			}
		}
	}
	return names
}

// nameOf is the name of the i-th of a table's columns and stamps.
func nameOf(t *pipeline.Table, i int) string {
	if i < len(t.Columns) {
		return t.Columns[i].Name
	}
	return t.Stamps[i-len(t.Columns)].Name
}

// naming gives names to the columns of a table.
type naming struct {
	tr    traits
	taken map[string]bool   // names given, folded
	there map[string]string // the table's columns, by their folded names
	exact map[string]bool   // the table's columns
}

func (n *naming) essential(name string) string {
	there := n.there[n.fold(name)]
	switch {
	case n.exact[name] && !n.taken[n.fold(name)]:
		return name
	case there != "" && !n.taken[n.fold(name)]:
		return there
	}
	if plain := n.plain(name); plain != "" {
		return plain
	}
	return n.derived(name)
}

// standing is the name itself, of a column that is there.
func (n *naming) standing(name string) string {
	if n.exact[name] && !n.taken[n.fold(name)] {
		return name
	}
	return ""
}

// derivedBefore is a derived name that the column got when it was made.
func (n *naming) derivedBefore(name string) string {
	for round := 0; ; round++ {
		derived := deriveName(n.tr, name, round)
		switch {
		case !n.exact[derived]:
			return ""
		case !n.taken[n.fold(derived)]:
			return derived
		}
	}
}

// plain is the name itself, of a column that is to be made.
func (n *naming) plain(name string) string {
	if folded := n.fold(name); !nameable(n.tr, name) || n.taken[folded] || n.there[folded] != "" {
		return ""
	}
	return name
}

func (n *naming) derived(name string) string {
	for round := 0; ; round++ {
		derived := deriveName(n.tr, name, round)
		if folded := n.fold(derived); !n.taken[folded] && n.there[folded] == "" {
			return derived
		}
	}
}

// fold makes names equal that a database may take for one. It may do so with more
// than the database does, which costs those a derived name.
func (n *naming) fold(name string) string {
	if !n.tr.foldsNames {
		return name
	}
	return strings.Map(func(r rune) rune {
		return unicode.ToLower(unicode.ToUpper(unicode.ToLower(r)))
	}, name)
}

// nameable tells whether a column can have the name.
func nameable(tr traits, name string) bool {
	return name != "" && name == clean(name) && nameLength(tr, name) <= tr.maxName &&
		(tr.takesName == nil || tr.takesName(name))
}

func nameLength(tr traits, name string) int {
	if tr.inCharacters {
		return utf8.RuneCountInString(name)
	}
	return len(name)
}

// deriveName is what is readable of a name, with a checksum of all of it. Should
// two names come to the same, another round makes another checksum.
func deriveName(tr traits, name string, round int) string {
	const most = 1000 // of any database
	sum := "_" + digest(name+strings.Repeat("\x00", round), 4)
	readable := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r > 0xffff || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, name[:min(len(name), most)])
	if readable == "" {
		readable = "column"
	}
	room := tr.maxName - len(sum)
	for i, r := range readable {
		width := 1
		if !tr.inCharacters {
			width = utf8.RuneLen(r)
		}
		if room -= width; room < 0 {
			return readable[:i] + sum
		}
	}
	return readable + sum
}
