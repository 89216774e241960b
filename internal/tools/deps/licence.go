package deps

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Licence is what a module says of its use.
type Licence struct {
	IDs   []string // of SPDX, sorted
	Texts []string // of its files of licences and notices
}

// ErrUnknown is a licence that this package does not know, or none at all.
var ErrUnknown = errors.New("no known licence")

// ErrForbidden is a licence that Ferryman's cannot stand beside.
var ErrForbidden = errors.New("a licence that forbids the use")

var licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^notice|^patents`)

// LicenceOf reads the licence of the module in a folder.
func LicenceOf(dir string) (Licence, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Licence{}, err
	}
	var l Licence
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return Licence{}, err
		}
		text := strings.ReplaceAll(string(content), "\r\n", "\n")
		l.Texts = append(l.Texts, strings.Trim(text, "\n")+"\n")
		l.IDs = append(l.IDs, classify(text)...)
	}
	slices.Sort(l.IDs)
	l.IDs = slices.Compact(l.IDs)
	if len(l.IDs) == 0 {
		return Licence{}, fmt.Errorf("%s: %w", dir, ErrUnknown)
	}
	for _, id := range l.IDs {
		if !slices.Contains(allowed(), id) {
			return Licence{}, fmt.Errorf("%s: %w: %s", dir, ErrForbidden, id)
		}
	}
	return l, nil
}

// allowed are the licences that an Apache-2.0 program may be linked with and be given
// away. Of them only MPL-2.0 asks for the source of the module itself, which its
// authors publish.
func allowed() []string {
	return []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}
}

// secondary is where the MPL names licences of GNU, under which nothing is here.
const secondary = "either the gnu general public license, version 2.0, the gnu lesser general public license, version 2.1, " +
	"the gnu affero general public license, version 3.0, or any later versions of those licenses"

// classify tells which licences a text holds, by the sentences that make them.
func classify(text string) []string {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	text = strings.ReplaceAll(text, secondary, "")
	has := func(s string) bool { return strings.Contains(text, s) }
	var ids []string
	for _, gnu := range []struct{ name, id string }{
		{"gnu affero general public license", "AGPL"}, {"gnu lesser general public license", "LGPL"}, {"gnu general public license", "GPL"},
	} {
		if has(gnu.name) {
			ids = append(ids, gnu.id)
		}
	}
	if has("mozilla public license version 2.0") {
		ids = append(ids, "MPL-2.0")
	}
	if has("apache license, version 2.0") || has("apache license version 2.0, january 2004") {
		ids = append(ids, "Apache-2.0")
	}
	if has("redistribution and use in source and binary forms") {
		if has("neither the name") || has("names of its contributors may") {
			ids = append(ids, "BSD-3-Clause")
		} else {
			ids = append(ids, "BSD-2-Clause")
		}
	}
	if has("permission is hereby granted, free of charge, to any person obtaining a copy") {
		ids = append(ids, "MIT")
	}
	if has("permission to use, copy, modify, and/or distribute this software for any purpose") || has("permission to use, copy, modify, and distribute this software for any purpose") {
		ids = append(ids, "ISC")
	}
	return ids
}
