package dialfire

import (
	"slices"
	"testing"
)

func TestCustomFields(t *testing.T) {
	fields := []Field{
		{Name: "name"}, {Name: "NAME"}, {Name: "$phone", Number: true}, {Name: "$changed"}, {Name: "$task_log"}, {Name: `it's "x"`},
		{Name: "name", Number: true}, {Name: "price", Number: true}, {Name: "contacts"}, {Name: "$PHONE"},
	}
	custom := func(most int) (names []string) {
		l := newLayout(layoutOptions{fields: fields, maxFields: most})
		for _, c := range l.contacts.Columns[len(Tables("")[0].Columns):] {
			names = append(names, c.Name+" "+mark(c))
		}
		return names
	}
	all := []string{"name X", "NAME X", `it's "x" X`, "price I", "contacts X", "$PHONE X"}
	for most, want := range map[int][]string{0: all, 1: all[:1], 4: all[:4], 6: all, 100: all} {
		if got := custom(most); !slices.Equal(got, want) {
			t.Errorf("at most %d: %q", most, got)
		}
	}

	l := newLayout(layoutOptions{fields: fields})
	c := contactOf(t, l, `{"NAME":"upper","name":"lower","$phone":"1","$id":"A","it's \"x\"":"quotes","price":"2.50","$changed":"no","other":1}`)
	want := `contacts $id="A" $phone="1" name="lower" NAME="upper" it's "x"="quotes" price=2.50` + "\n"
	if got := showContact(l, c); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestLayoutsThatAreEqual(t *testing.T) {
	a, b, n := Field{Name: "a"}, Field{Name: "b"}, Field{Name: "n", Number: true}
	l := newLayout(layoutOptions{fields: []Field{a, b, n}})
	two := newLayout(layoutOptions{fields: []Field{a, b, n}, maxFields: 2})
	for _, c := range []struct {
		fields   []Field
		all, two bool
	}{
		{[]Field{a, b, n}, true, true},
		{[]Field{a, a, {Name: "$id"}, b, n}, true, true},
		{[]Field{a, b, {Name: "n"}}, false, true},
		{[]Field{b, a, n}, false, false},
		{[]Field{a}, false, false},
		{nil, false, false},
	} {
		if l.equal(c.fields) != c.all || two.equal(c.fields) != c.two {
			t.Errorf("%v: %t, %t", c.fields, l.equal(c.fields), two.equal(c.fields))
		}
	}
}
