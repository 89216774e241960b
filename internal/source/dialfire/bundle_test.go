package dialfire

import (
	"slices"
	"testing"
)

// Of what comes of one contact in a batch the highest version counts, then what came last.
func TestBundleHasEachContactOnce(t *testing.T) {
	l := newLayout(layoutOptions{})
	c := func(id, version, mark string) contact {
		row := make([]any, len(l.contacts.Columns))
		row[0], row[1] = id, mark
		return contact{id: id, md5: mark, version: version, row: row}
	}
	came := func(contacts ...contact) outcome { return outcome{contacts: contacts} }
	for name, test := range map[string]struct {
		outcomes []outcome
		want     []string // MD5s of the rows
		gone     []string
		failed   int
	}{
		"nothing":            {nil, nil, nil, 0},
		"newer later":        {[]outcome{came(c("a", "1", "x"), c("b", "1", "y")), came(c("a", "2", "z"))}, []string{"z", "y"}, nil, 0},
		"older later":        {[]outcome{came(c("a", "10", "x"), c("a", "9", "z"))}, []string{"x"}, nil, 0},
		"the same version":   {[]outcome{came(c("a", "1", "x"), c("a", "1", "z"))}, []string{"z"}, nil, 0},
		"no versions":        {[]outcome{came(c("a", "", "x"), c("a", "", "z"))}, []string{"z"}, nil, 0},
		"vanished after":     {[]outcome{came(c("a", "1", "x"), c("b", "1", "y")), {vanished: []string{"a"}}}, []string{"y"}, []string{"a"}, 0},
		"come back":          {[]outcome{{vanished: []string{"a", "b"}}, came(c("a", "1", "x"))}, []string{"x"}, []string{"b"}, 0},
		"vanished and again": {[]outcome{came(c("a", "2", "x")), {vanished: []string{"a"}}, came(c("a", "1", "z"))}, []string{"z"}, nil, 0},
		"failed, then came":  {[]outcome{{failed: []failure{{"a", "r"}, {"b", "r"}}}, came(c("a", "1", "x"))}, []string{"x"}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBundle()
			for _, o := range test.outcomes {
				b.add(o)
			}
			changes := l.build(b)
			if test.want == nil {
				if changes != nil {
					t.Errorf("changes %v", changes)
				}
				return
			}
			var got, gone []string
			for _, row := range changes[0].Rows {
				got = append(got, row[1].(string))
			}
			if changes[0].Scope != nil {
				for _, p := range changes[0].Scope.Parents {
					gone = append(gone, p[0].(string))
				}
			}
			if !slices.Equal(got, test.want) || !slices.Equal(gone, test.gone) || len(changes[0].Rejected) != test.failed {
				t.Errorf("rows %v, gone %v, rejected %v", got, gone, changes[0].Rejected)
			}
			for _, change := range changes[1:] {
				if n := len(change.Scope.Parents); n != len(got)+len(gone) {
					t.Errorf("%s lists what is below %d contacts", change.Table.Name, n)
				}
			}
		})
	}
}
