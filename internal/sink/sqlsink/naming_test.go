package sqlsink

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
)

func namedTable(names ...string) *pipeline.Table {
	t := &pipeline.Table{Name: "t", Key: []string{"$id"}, Columns: []pipeline.Column{{Name: "$id", Type: pipeline.Text}},
		Stamps: []pipeline.Stamp{{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}}}
	for _, name := range names {
		t.Columns = append(t.Columns, pipeline.Column{Name: name, Type: pipeline.Text})
	}
	return t
}

func standingTable(names ...string) *description {
	have := &description{}
	for _, name := range names {
		have.columns = append(have.columns, existing{name: name})
	}
	return have
}

func TestColumnNames(t *testing.T) {
	mariadb, postgres, lite := (&mysql{}).traits(), (&postgres{}).traits(), (&sqliteDB{}).traits()
	long := strings.Repeat("ä", 70)
	for _, test := range []struct {
		name  string
		tr    traits
		have  []string
		names []string
		want  string
	}{
		{"the first keeps its name", mariadb, nil, []string{"Name", "name", "NAME"}, "Name|name_82a3537f|NAME_eaa58932"},
		{"case counts on PostgreSQL", postgres, nil, []string{"Name", "name"}, "Name|name"},
		{"one that is there keeps its name", mariadb, []string{"$id", "name"}, []string{"Name", "name"}, "Name_dcd1d522|name"},
		{"a derived one stays with its column", mariadb, []string{"$id", "Name", "name_82a3537f"}, []string{"name"}, "name_82a3537f"},
		{"nobody takes another's column", lite, []string{"$id", "Name"}, []string{"name"}, "name_82a3537f"},
		{"a key takes what is there", lite, []string{"$ID", "$Changed"}, []string{"x"}, "x"},
		{"stamps and keys come first", mariadb, nil, []string{"$CHANGED", "$Id"}, "$CHANGED_a9be7b33|$Id_c4551872"},
		{"a column may be named like a stamp", lite, nil, []string{"$changed"}, "$changed_c8a773b7"},
		{"too long for bytes", postgres, nil, []string{long}, strings.Repeat("ä", 27) + "_574abcf3"},
		{"too long for characters", mariadb, nil, []string{long}, strings.Repeat("ä", 55) + "_574abcf3"},
		{"no name", postgres, nil, []string{""}, "column_e3b0c442"},
		{"broken", lite, nil, []string{"a\x00b", "a\xffb"}, "a_b_59b271ae|a_b_01ce0241"},
		{"not MySQL's", mariadb, nil, []string{"😀", "blank ", "db_row_id"}, "__f0443a34|blank _d4fb0b00|db_row_id_8019588b"},
		{"not PostgreSQL's", postgres, nil, []string{"ctid", "😀", "blank "}, "ctid_a6768917|😀|blank "},
		{"odd but fine", mariadb, nil, []string{"a`b", `a"b`, "a.b", "100%", "why?", `back\slash`, "[x]", "a b", "'q'", "--", "/*", ";"}, "a`b|a\"b|a.b|100%|why?|back\\slash|[x]|a b|'q'|--|/*|;"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var have *description
			if test.have != nil {
				have = standingTable(test.have...)
			}
			names := columnNames(test.tr, namedTable(test.names...), have)
			if got := strings.Join(names[1:len(names)-1], "|"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	names := columnNames(lite, namedTable(), standingTable("$ID", "$Changed"))
	if names[0] != "$ID" || names[1] != "$Changed" {
		t.Errorf("key and stamp are %q", names)
	}
}

// Whatever columns come and go, each keeps the name that it was first given, and no
// two have one that a database takes for the same.
func TestColumnNamesAreStable(t *testing.T) {
	dialects := []dialect{&mysql{}, &postgres{}, &sqliteDB{}, &mssql{}}
	alphabet := []string{"a", "A", "ä", "Ä", "İ", "ı", "i", "ſ", "s", "K", "k", "_", " ", "?", "😀", "\x00", "\xff", strings.Repeat("x", 60), "ctid"}
	rapid.Check(t, func(t *rapid.T) {
		tr := rapid.SampledFrom(dialects).Draw(t, "dialect").traits()
		name := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 3).Draw(t, "parts"), "")
		})
		pool := rapid.SliceOfNDistinct(name, 1, 12, rapid.ID).Draw(t, "pool")
		first := map[string]string{}
		var have *description
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			table := namedTable(rapid.SliceOfDistinct(rapid.SampledFrom(pool), rapid.ID).Draw(t, "columns")...)
			names := columnNames(tr, table, have)
			if have == nil {
				have = &description{}
			}
			seen := map[string]string{}
			for i, got := range names {
				want := nameOf(table, i)
				if !nameable(tr, got) || !utf8.ValidString(got) {
					t.Fatalf("%q is named %q, which the database does not take", want, got)
				}
				folded := got
				if tr.foldsNames {
					folded = strings.ToLower(strings.ToUpper(got))
				}
				if other, twice := seen[folded]; twice {
					t.Fatalf("%q and %q are both named %q", want, other, got)
				}
				seen[folded] = want
				if before, known := first[want]; known && before != got {
					t.Fatalf("%q was named %q and is %q", want, before, got)
				}
				first[want] = got
				if have.column(got, false) == nil {
					have.columns = append(have.columns, existing{name: got})
				}
			}
		}
	})
}
