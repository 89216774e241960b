package deps

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLicenceOf(t *testing.T) {
	const (
		mit  = "Permission is hereby granted, free of charge, to any person\nobtaining a copy of this software"
		bsd  = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted"
		mpl  = "Mozilla Public License Version 2.0\n\n1.12. \"Secondary License\" means either the GNU General Public License, Version 2.0, the GNU Lesser\n  General Public License, Version 2.1, the GNU Affero General Public\n  License, Version 3.0, or any later versions of those licenses."
		agpl = "GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007"
	)
	for name, tt := range map[string]struct {
		files map[string]string
		ids   []string
		texts int
		err   error
	}{
		"one":                       {map[string]string{"LICENSE": mit, "main.go": agpl}, []string{"MIT"}, 1, nil},
		"two, and a notice":         {map[string]string{"LICENSE": mit, "LICENSE-3RD-PARTY.md": bsd, "NOTICE": "by somebody"}, []string{"BSD-2-Clause", "MIT"}, 3, nil},
		"three clauses":             {map[string]string{"COPYING": bsd + " Neither the name of"}, []string{"BSD-3-Clause"}, 1, nil},
		"Apache":                    {map[string]string{"License.txt": "Apache License\n   Version 2.0, January 2004"}, []string{"Apache-2.0"}, 1, nil},
		"ISC":                       {map[string]string{"LICENCE": "Permission to use, copy, modify, and distribute this software for any purpose"}, []string{"ISC"}, 1, nil},
		"the MPL names the GPL":     {map[string]string{"LICENSE": mpl}, []string{"MPL-2.0"}, 1, nil},
		"the GPL beside the MPL":    {map[string]string{"LICENSE": mpl + " GNU General Public License"}, nil, 0, ErrForbidden},
		"forbidden":                 {map[string]string{"LICENSE": agpl}, nil, 0, ErrForbidden},
		"forbidden beside another":  {map[string]string{"LICENSE": mit, "COPYING": agpl}, nil, 0, ErrForbidden},
		"none":                      {map[string]string{"README": mit}, nil, 0, ErrUnknown},
		"one that nobody has heard": {map[string]string{"LICENSE": "All rights reserved."}, nil, 0, ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l, err := LicenceOf(dir)
			if !errors.Is(err, tt.err) || !slices.Equal(l.IDs, tt.ids) || len(l.Texts) != tt.texts {
				t.Errorf("%v, %d texts, %v", l.IDs, len(l.Texts), err)
			}
		})
	}
}
