package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/misspelt"
)

// maxNesting is how deep the arrays and objects of a body may be.
const maxNesting = 32

// form is a JSON object of a body, and what is wrong with its values. Its methods
// read one member each, note what is wrong, and go on, so that all faults are told
// at once: ask fault when everything is read.
//
// Members that the form does not know are ignored, as the clients of the reports
// expect, unless it is of readOwnForm. If a name comes twice, the last one counts. What is no text, such as bad UTF-8, half a surrogate pair or
// NUL, is read as U+FFFD.
type form struct {
	at      string // JSON pointer of the object
	members []member
	wrong   *[]fault.Field
	strict  bool     // members that it does not know are wrong
	beside  []string // but for these, which are ignored
}

// member is a value of a form: a scalar, or an array or object unread.
type member struct {
	name  string
	given bool
	kind  jsontext.Kind // n, t, f, ", 0, { or [
	text  string        // of a string, or a number as it is written
}

// newForm makes a form to be filled, with nothing in it.
func newForm(members ...string) form {
	f := form{wrong: new([]fault.Field), members: make([]member, len(members))}
	for i, name := range members {
		f.members[i].name = name
	}
	return f
}

// readForm reads a body that must be one object and knows the members that are
// named. An error is a fault of kind Invalid.
func readForm(body []byte, members ...string) (form, error) {
	f := newForm(members...)
	return f, f.readWhole(body)
}

// readOwnForm is readForm for the calls that are Ferryman's own: a member that the
// form does not know is wrong, since what it asks for would not be done. Those that
// are named beside are ignored.
func readOwnForm(body []byte, beside []string, members ...string) (form, error) {
	f := newForm(members...)
	f.strict, f.beside = true, beside
	return f, f.readWhole(body)
}

func (f form) readWhole(body []byte) (err error) {
	d := decoder(body)
	if d.PeekKind() == '{' {
		err = f.read(d)
	} else if err = skip(d); err == nil {
		err = notJSON("it must be an object", nil)
	}
	return endOf(d, body, err)
}

// readForms reads a body that is an object, or an array of one to most objects,
// and tells which. Their faults are told together.
func readForms(body []byte, most int, members ...string) (forms []form, array bool, err error) {
	if decoder(body).PeekKind() != '[' {
		f, err := readForm(body, members...)
		return []form{f}, false, err
	}
	d := decoder(body)
	wrong := new([]fault.Field)
	_, err = d.ReadToken()
	n := 0
	for ; err == nil && d.PeekKind() != ']'; n++ {
		f := newForm(members...)
		f.at, f.wrong = "/"+strconv.Itoa(n), wrong
		switch {
		case n >= most:
			err = skip(d)
			continue
		case d.PeekKind() == '{':
			err = f.read(d)
		default:
			if err = skip(d); err == nil {
				f.fail("", "type", "must be an object")
			}
			f.members = nil
		}
		forms = append(forms, f)
	}
	if err == nil {
		_, err = d.ReadToken()
	}
	if err = endOf(d, body, err); err == nil && n > most {
		all := form{wrong: wrong}
		all.fail("", "length", fmt.Sprintf("must have at most %d elements", most))
		err = all.fault()
	}
	return forms, true, err
}

func decoder(body []byte) *jsontext.Decoder {
	if bytes.IndexByte(body, 0) >= 0 {
		body = bytes.ReplaceAll(body, []byte{0}, []byte("\ufffd"))
	}
	return jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// endOf makes sure that a body was read to its end, unless err came before that,
// and classifies what is wrong with it.
func endOf(d *jsontext.Decoder, body []byte, err error) error {
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = notJSON("there is more after the value", nil)
		}
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return notJSON("it is empty", nil)
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return notJSON(fmt.Sprintf("at byte %d it goes wrong or ends", syntax.ByteOffset), err)
	}
	return notJSON("it ends too early", err)
}

// read reads the object that comes next.
func (f form) read(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for {
		token, err := d.ReadToken()
		if err != nil || token.Kind() == '}' {
			return err
		}
		name := token.String()
		i := slices.IndexFunc(f.members, func(m member) bool { return m.name == name })
		if i < 0 {
			f.unknown(name)
			err = skip(d)
		} else {
			err = f.members[i].read(d)
		}
		if err != nil {
			return err
		}
	}
}

// unknown notes a member that a strict form does not know, and which one it is
// most likely meant to be.
func (f form) unknown(name string) {
	if !f.strict || slices.Contains(f.beside, name) {
		return
	}
	known := make([]string, len(f.members))
	for i, m := range f.members {
		known[i] = m.name
	}
	detail := "is not a member that the call takes"
	if meant := misspelt.Member(name, known); meant != "" {
		detail += "; did you mean " + meant + "?"
	}
	const most = 100 // characters of it that are told
	if runes := []rune(name[:min(len(name), 4*most)]); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	name = strings.NewReplacer("~", "~0", "/", "~1", "\x00", "\ufffd").Replace(strings.ToValidUTF8(name, "\ufffd"))
	if !slices.ContainsFunc(*f.wrong, func(w fault.Field) bool { return w.Pointer == f.at+"/"+name }) {
		f.fail(name, "unknown", detail)
	}
}

func (m *member) read(d *jsontext.Decoder) error {
	m.given, m.kind, m.text = true, d.PeekKind(), ""
	if m.kind != '"' && m.kind != '0' {
		return skip(d)
	}
	token, err := d.ReadToken()
	if err == nil {
		m.text = token.String()
	}
	return err
}

// skip reads the value that comes next, whatever it is.
func skip(d *jsontext.Decoder) error {
	for depth := d.StackDepth(); ; {
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		switch now := d.StackDepth(); {
		case now > maxNesting:
			return notJSON(fmt.Sprintf("it is nested more than %d levels deep", maxNesting), nil)
		case now <= depth:
			return nil
		}
	}
}

func notJSON(detail string, err error) *fault.Error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "invalid_json", Detail: "the body is not the JSON that the call takes: " + detail, Err: err,
		Hint: "/docs describes the body that the call takes",
	}
}

// fault gives what is wrong with the values of the form, and of all that were
// read with it, or nil.
func (f form) fault() error {
	wrong := *f.wrong
	if len(wrong) == 0 {
		return nil
	}
	err := &fault.Error{Kind: fault.Unprocessable, Code: "invalid_values", Detail: "one value is not what it must be", Fields: wrong}
	if n := len(wrong); n > 1 {
		err.Detail = strconv.Itoa(n) + " values are not what they must be"
	}
	return err
}

// maxWrong is how many faults are told: what follows is of the same kind.
const maxWrong = 100

// fail notes that a member is wrong, or the object itself if name is "".
func (f form) fail(name, code, detail string) {
	if len(*f.wrong) >= maxWrong {
		return
	}
	pointer := f.at
	if name != "" {
		pointer += "/" + name
	}
	*f.wrong = append(*f.wrong, fault.Field{Pointer: pointer, Code: code, Detail: detail})
}

// member gives a member of the form.
func (f form) member(name string) member {
	if i := slices.IndexFunc(f.members, func(m member) bool { return m.name == name }); i >= 0 {
		return f.members[i]
	}
	return member{name: name}
}

// fill sets a member to a string that came beside the body. Two that differ are
// wrong.
func (f form) fill(name, value string) {
	i := slices.IndexFunc(f.members, func(m member) bool { return m.name == name })
	m := &f.members[i]
	if m.given && (m.kind != '"' || m.text != value) {
		f.fail(name, "conflict", "is given twice, and differs")
		return
	}
	m.given, m.kind, m.text = true, '"', value
}

// given tells whether a member is there, be it null.
func (f form) given(name string) bool { return f.member(name).given }

// null tells whether a member is there and null.
func (f form) null(name string) bool { return f.member(name).kind == 'n' }

// require notes a member that is missing, and tells whether it is there.
func (f form) require(name string) bool {
	there := f.given(name)
	if !there && f.members != nil {
		f.fail(name, "required", "is missing")
	}
	return there
}

// text gives a string of at most so many characters; "" if it is missing, null
// or wrong.
func (f form) text(name string, most int) string {
	m := f.member(name)
	switch {
	case !m.given || m.kind == 'n':
		return ""
	case m.kind != '"':
		f.fail(name, "type", "must be a string")
		return ""
	case len(m.text) > most && len([]rune(m.text)) > most:
		f.fail(name, "max_length", fmt.Sprintf("must have at most %d characters", most))
		return ""
	}
	return strings.ReplaceAll(m.text, "\x00", "\ufffd")
}

// word gives a string that is one of the words; "" if it is missing or wrong.
func (f form) word(name string, words ...string) string {
	m := f.member(name)
	switch {
	case !m.given:
	case m.kind == '"' && slices.Contains(words, m.text):
		return m.text
	case m.kind == '"':
		f.fail(name, "enum", "must be one of "+strings.Join(words, ", "))
	default:
		f.fail(name, "type", "must be a string, one of "+strings.Join(words, ", "))
	}
	return ""
}

// truth gives a boolean; false if it is missing or wrong.
func (f form) truth(name string) bool {
	m := f.member(name)
	if m.given && m.kind != 't' && m.kind != 'f' {
		f.fail(name, "type", "must be true or false")
	}
	return m.kind == 't'
}

// whole gives a whole number, and whether it is there, not null and right.
func (f form) whole(name string, least, most int64) (int64, bool) {
	m := f.member(name)
	if !m.given || m.kind == 'n' {
		return 0, false
	}
	n, err := strconv.ParseInt(m.text, 10, 64)
	switch {
	case m.kind != '0' || errors.Is(err, strconv.ErrSyntax):
		f.fail(name, "type", "must be a whole number")
		return 0, false
	case err != nil || n < least || n > most:
		f.fail(name, "range", fmt.Sprintf("must be from %d to %d", least, most))
		return 0, false
	}
	return n, true
}

// milliseconds gives a duration that may have a fraction; 0 if it is missing,
// null or wrong.
func (f form) milliseconds(name string, most time.Duration) time.Duration {
	m := f.member(name)
	if !m.given || m.kind == 'n' {
		return 0
	}
	n, err := strconv.ParseFloat(m.text, 64)
	switch {
	case m.kind != '0' || errors.Is(err, strconv.ErrSyntax):
		f.fail(name, "type", "must be a number of milliseconds")
		return 0
	case err != nil || n < 0 || n > float64(most.Milliseconds()):
		f.fail(name, "range", fmt.Sprintf("must be from 0 to %d", most.Milliseconds()))
		return 0
	}
	return time.Duration(math.Round(n * float64(time.Millisecond)))
}

// time gives a time; zero if it is missing, null or wrong.
func (f form) time(name string) time.Time {
	m := f.member(name)
	if !m.given || m.kind == 'n' {
		return time.Time{}
	}
	if m.kind != '"' {
		f.fail(name, "type", "must be a string, a time such as 2026-03-01T12:00:00Z")
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, m.text)
	switch {
	case err != nil:
		f.fail(name, "format", "must be a time as RFC 3339 has it, such as 2026-03-01T12:00:00Z")
		return time.Time{}
	case t.UTC().Year() < 1970 || t.UTC().Year() > 2199:
		f.fail(name, "range", "must be from 1970 to 2199")
		return time.Time{}
	}
	return t.UTC()
}
