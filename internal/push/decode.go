package push

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
)

// Decode reads a list of messages. What is wrong with it is a *Refusal; a list of
// more than MaxItems is a fault of kind TooLarge.
func Decode(body []byte) ([]Message, error) {
	l, err := decode(body)
	if err == nil && l.wrong != nil {
		err = refusalOf(l.wrong)
	}
	if err != nil {
		return nil, err
	}
	return l.messages, nil
}

// list is a list as it was read.
type list struct {
	messages []Message // of all items; of wrong ones zero
	wrong    []faults  // likewise, empty of good ones; nil if all are good
	slips    []Slip    // of all items together
}

// refuse notes what is wrong with an item.
func (l *list) refuse(i int, f faults) {
	if l.wrong == nil {
		l.wrong = make([]faults, len(l.messages))
	}
	for len(l.wrong) < len(l.messages) {
		l.wrong = append(l.wrong, nil)
	}
	l.wrong[i] = f
}

// good gives the items with which nothing is wrong, and where they stand.
func (l *list) good() (messages []Message, at []int) {
	for i, f := range l.wrong {
		if f == nil {
			messages, at = append(messages, l.messages[i]), append(at, i)
		}
	}
	return messages, at
}

var errTooMany = &fault.Error{
	Kind: fault.TooLarge, Code: "too_many_messages", Detail: fmt.Sprintf("a list may have at most %d messages", MaxItems),
	Hint: "send it in parts",
}

// decode reads a list of messages. An error is a *Refusal of the body as a whole,
// or errTooMany.
func decode(body []byte) (*list, error) {
	r, err := newReader(body)
	if err != nil {
		return nil, err
	}
	l, err := r.list()
	if err == nil {
		l.slips = r.slips.found
		err = r.end()
	}
	return l, r.explain(err)
}

// reader reads a body. A name that comes twice counts with its last value.
type reader struct {
	d     *jsontext.Decoder
	body  []byte
	slips slips
}

func newReader(body []byte) (*reader, error) {
	if !utf8.Valid(body) {
		return nil, notJSON(fmt.Sprintf("byte %d is not UTF-8", badByte(body)))
	}
	// Halves of surrogate pairs are told from U+FFFD by whoever reads the string.
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return &reader{d: d, body: body}, nil
}

// badByte is where a body stops being UTF-8.
func badByte(body []byte) (at int) {
	for {
		r, n := utf8.DecodeRune(body[at:])
		if r == utf8.RuneError && n <= 1 {
			return at
		}
		at += n
	}
}

func notJSON(why string) *Refusal {
	return &Refusal{append(appendString([]byte(`{"detail":`), "JSON parse error - "+why), '}')}
}

// explain gives what a client is told of an error: what the decoder says quotes
// the body, and so could be as long as that.
func (r *reader) explain(err error) error {
	if err == nil || errors.Is(err, errTooMany) {
		return err
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	if len(bytes.TrimSpace(r.body)) == 0 {
		return notJSON("the body is empty")
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return notJSON(fmt.Sprintf("the body ends too early, at byte %d", len(r.body)))
	}
	at := min(max(int(syntax.ByteOffset), 0), len(r.body))
	for _, name := range [...]string{"-Infinity", "Infinity", "NaN"} {
		if bytes.HasPrefix(r.body[max(at-1, 0):], []byte(name)) || bytes.HasPrefix(r.body[at:], []byte(name)) {
			return notJSON("Out of range float values are not JSON compliant: '" + name + "'")
		}
	}
	why := strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
	return notJSON(fmt.Sprintf("%.200s at byte %d", why, at))
}

// end makes sure that nothing follows.
func (r *reader) end() error {
	_, err := r.d.ReadToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return notJSON(fmt.Sprintf("there is more after the value, at byte %d", r.d.InputOffset()))
	}
	return err
}

func (r *reader) list() (*list, error) {
	if r.d.PeekKind() != '[' {
		g, err := r.value()
		if err == nil {
			err = r.end()
		}
		switch {
		case err != nil:
			return nil, err
		case g.kind == 'n':
			return nil, refused(whole, "No data provided")
		}
		return nil, refused(whole, `Expected a list of items but got type "`+g.typeName()+`".`)
	}
	if _, err := r.d.ReadToken(); err != nil {
		return nil, err
	}
	l := &list{messages: []Message{}}
	for r.d.PeekKind() != ']' {
		if len(l.messages) == MaxItems {
			return nil, errTooMany
		}
		m, wrong, err := r.item()
		if err != nil {
			return nil, err
		}
		l.messages = append(l.messages, m)
		if wrong != nil {
			l.refuse(len(l.messages)-1, wrong)
		} else if l.wrong != nil {
			l.wrong = append(l.wrong, nil)
		}
	}
	_, err := r.d.ReadToken()
	return l, err
}

// item reads an item of the list, and tells what is wrong with it.
func (r *reader) item() (m Message, wrong faults, err error) {
	if kind := r.d.PeekKind(); kind != '{' {
		g, err := r.value()
		switch {
		case err != nil:
			return Message{}, nil, err
		case kind == 'n':
			return Message{}, faults{{"", []string{isNull}}}, nil
		}
		return Message{}, faults{{whole, []string{notDictionary(g.typeName())}}}, nil
	}
	var values [len(fieldNames)]given
	if err := r.object(&values); err != nil {
		return Message{}, nil, err
	}
	m, wrong = checked(&values)
	return m, wrong, nil
}

// The fields that are read.
const (
	userID = iota
	messengerID
	textField
	startAt
	expiresAt
)

var fieldNames = [...]string{"user_id", "messenger_id", "text", "start_at", "expires_at"}

// object reads the object that comes next.
func (r *reader) object(values *[len(fieldNames)]given) error {
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	for r.d.PeekKind() != '}' {
		name, err := r.value()
		if err != nil {
			return err
		}
		i := fieldOf(name)
		if i < 0 {
			r.slips.note(name)
			if err := r.d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if values[i], err = r.value(); err != nil {
			return err
		}
	}
	_, err := r.d.ReadToken()
	return err
}

func fieldOf(name given) int {
	text := name.raw[1 : len(name.raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		s, _ := name.unquoted()
		text = []byte(s)
	}
	for i, known := range fieldNames {
		if string(text) == known {
			return i
		}
	}
	return -1
}

// value reads the value that comes next, whole.
func (r *reader) value() (given, error) {
	v, err := r.d.ReadValue()
	if err != nil {
		return given{}, err
	}
	// What the decoder gives is its own until the next call; the body stays.
	end := r.d.InputOffset()
	return given{v.Kind(), r.body[end-int64(len(v)) : end]}, nil
}
