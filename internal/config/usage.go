package config

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags adds the flags of the given sections, or of all of them, to fs. Load
// reads and checks them; a flag that is given with an empty value counts as not
// given.
func AddFlags(fs *pflag.FlagSet, sections ...Section) {
	for _, s := range rowsOf(sections) {
		if s.flag == "" {
			continue
		}
		f := fs.VarPF(&flagValue{text: s.deflt, metavar: s.metavar}, s.flag, "", s.help+" ["+s.name+"]")
		if s.metavar == "bool" {
			f.NoOptDefVal = "true" // no value is needed
		}
	}
}

// flagValue keeps the text for Load, so that flags are judged like the rest.
type flagValue struct{ text, metavar string }

// String is the text, at first that of the default for the help.
func (v *flagValue) String() string { return v.text }

// Set takes any text.
func (v *flagValue) Set(text string) error {
	v.text = text
	return nil
}

// Type is what the help calls the value.
func (v *flagValue) Type() string { return v.metavar }

// Usage describes the settings of the given sections, or of all of them, for a
// terminal.
func Usage(sections ...Section) string {
	var b strings.Builder
	b.WriteString("Each setting is taken from its flag, else from the .env file, else from the exported\nvariable, else its default counts. An empty value counts as none.\n")
	var section Section
	for _, s := range rowsOf(sections) {
		if s.section != section {
			section = s.section
			b.WriteString("\n" + string(section) + "\n")
		}
		b.WriteString("  " + s.label() + "\n      " + s.help + "\n      " + s.expect)
		if s.deflt != "" {
			b.WriteString("; default: " + s.deflt)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// rowsOf is the table for reading only.
func rowsOf(sections []Section) []setting {
	return selected(new(loader).table(), sections)
}

// selected keeps the rows of the given sections, or all of them.
func selected(rows []setting, sections []Section) []setting {
	if len(sections) == 0 {
		return rows
	}
	return slices.DeleteFunc(rows, func(s setting) bool { return !slices.Contains(sections, s.section) })
}
