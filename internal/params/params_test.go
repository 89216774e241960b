package params

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
)

func parse(t *testing.T, raw string) Query {
	t.Helper()
	q, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestReaders(t *testing.T) {
	q := parse(t, "n=7&yes=1&text=%C3%BC&at=2026-03-01T12:00:00%2B01:00&w=a,b&w=b&id=9&empty=")
	n, err := q.Number("n", 3, 10)
	if err != nil || n != 7 {
		t.Errorf("%d %v", n, err)
	}
	if n, err := q.Number("none", 3, 10); err != nil || n != 3 {
		t.Errorf("%d %v", n, err)
	}
	if yes, err := q.Truth("yes"); err != nil || !yes {
		t.Errorf("%v %v", yes, err)
	}
	if text, given, err := q.Text("text", 1); err != nil || !given || text != "ü" {
		t.Errorf("%q %v %v", text, given, err)
	}
	if at, err := q.Instant("at"); err != nil || !at.Equal(time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)) || at.Location() != time.UTC {
		t.Errorf("%v %v", at, err)
	}
	if chosen, err := Words(q, "w", "a", "b", "c"); err != nil || !slices.Equal(chosen, []string{"a", "b"}) {
		t.Errorf("%q %v", chosen, err)
	}
	if id, err := q.ID("id"); err != nil || id != 9 {
		t.Errorf("%d %v", id, err)
	}
	if id, err := q.ID("empty"); err != nil || id != 0 {
		t.Errorf("%d %v", id, err)
	}
}

// Whatever is wrong is Invalid and names the parameter.
func TestWrongValues(t *testing.T) {
	for raw, read := range map[string]func(Query) error{
		"p=1&p=2":                    func(q Query) error { _, _, err := q.One("p"); return err },
		"p=0":                        func(q Query) error { _, err := q.Number("p", 1, 9); return err },
		"p=010":                      func(q Query) error { _, err := q.Number("p", 1, 99); return err },
		"p=-1":                       func(q Query) error { _, err := q.ID("p"); return err },
		"p=9223372036854775808":      func(q Query) error { _, err := q.ID("p"); return err },
		"p=yes":                      func(q Query) error { _, err := q.Truth("p"); return err },
		"p=%FF":                      func(q Query) error { _, _, err := q.Text("p", 9); return err },
		"p=%00":                      func(q Query) error { _, _, err := q.Text("p", 9); return err },
		"p=abc":                      func(q Query) error { _, _, err := q.Text("p", 2); return err },
		"p=2026-03-01":               func(q Query) error { _, err := q.Instant("p"); return err },
		"p=1969-03-01T00:00:00Z":     func(q Query) error { _, err := q.Instant("p"); return err },
		"p=a,d":                      func(q Query) error { _, err := Words(q, "p", "a"); return err },
		"p=a,b":                      func(q Query) error { _, err := Word(q, "p", "a", "b"); return err },
		"p=2026-03-01T12:00:00 1:00": func(q Query) error { _, err := q.Instant("p"); return err },
	} {
		err := read(parse(t, strings.ReplaceAll(raw, " ", "%20")))
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Kind != fault.Invalid || !strings.Contains(f.Detail, "the parameter p is") || f.Hint == "" {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if _, err := Parse("p=%zz"); fault.CodeOf(err) != "invalid_query" {
		t.Error(err)
	}
}

func TestOnly(t *testing.T) {
	if err := parse(t, "limit=1&after=x&after=y").Only("after", "limit", "state"); err != nil {
		t.Error(err)
	}
	for raw, want := range map[string]string{
		"limit=1&stat=ok":       `the parameter "stat" is not one of the call (did you mean state?)`,
		"x=1":                   `the parameter "x" is not one of the call (the call takes after, limit, state)`,
		"=1":                    `the parameter "" is not one of the call (the call takes after, limit, state)`,
		"%0A%ff=1":              `the parameter "\n\xff" is not one of the call (the call takes after, limit, state)`,
		strings.Repeat("ü", 60): `the parameter "` + strings.Repeat(`\u00fc`, 50) + `\u2026" is not one of the call (the call takes after, limit, state)`,
	} {
		err := parse(t, raw).Only("after", "limit", "state")
		if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != "invalid_parameter" || err.Error() != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if err := parse(t, "x=1").Only(); err == nil || !strings.Contains(err.Error(), "takes no parameters") {
		t.Error(err)
	}
}
