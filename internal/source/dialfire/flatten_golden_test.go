package dialfire

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestGoldenContact(t *testing.T) {
	data, err := os.ReadFile("testdata/contact.json")
	if err != nil {
		t.Fatal(err)
	}
	l := newLayout(layoutOptions{prefix: "acme_", fields: []Field{
		{Name: "firma"}, {Name: "ansprechpartner"}, {Name: "umsatz", Number: true}, {Name: "mitarbeiter", Number: true},
		{Name: "plz"}, {Name: "newsletter"}, {Name: "interessen"}, {Name: "bemerkung"}, {Name: "leer"},
	}})
	var got string
	for _, c := range contactsOf(t, l, string(data)) {
		got += showContact(l, c)
	}
	const golden = "testdata/contact.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
