package dialfire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
	"ferryman/internal/pipeline"
)

const (
	// maxPieces bounds the rows of one answer, as a row takes many times the memory
	// of an empty object: thirty times what twenty busy contacts have.
	maxPieces = 200_000
	// maxDepth bounds the levels of nesting that are followed. A third party of a
	// third party is at level 12; values may be deeper.
	maxDepth = 100
	// slabValues is how many values are allocated at a time for rows.
	slabValues = 1024
)

// reader reads one answer. What it returns shares memory with one copy of the
// answer, which a row that is kept for long would keep, too.
type reader struct {
	d      *jsontext.Decoder
	text   string // the answer
	pieces int
	slab   []any
}

// read has decode read an answer. Its errors are faults: those of
// httpclient.DecodeJSON, and wrong_type, missing_field and answer_too_large. They
// never hold a value.
func read(data []byte, decode func(*reader) error) error {
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	// From a bytes.Buffer the decoder reads in place, so that its offsets are places in text.
	return httpclient.DecodeJSON(bytes.NewBuffer(data), func(d *jsontext.Decoder) error {
		return decode(&reader{d: d, text: string(data)})
	})
}

// newRow cuts a row from the slab.
func (r *reader) newRow(columns int) []any {
	if len(r.slab) < columns {
		r.slab = make([]any, max(slabValues, columns))
	}
	row := r.slab[:columns:columns]
	r.slab = r.slab[columns:]
	return row
}

// object calls member for every member of the object that is next; each has to
// read the member's value. name is valid until then.
func (r *reader) object(member func(name []byte) error) error {
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	for r.d.PeekKind() != '}' {
		raw, err := r.d.ReadValue()
		if err != nil {
			return err
		}
		name := []byte(raw[1 : len(raw)-1])
		if bytes.IndexByte(raw, '\\') >= 0 {
			name = []byte(unescape(raw))
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := r.d.ReadToken()
	return err
}

// array calls element for every element of the array that is next; each has to
// read the element.
func (r *reader) array(element func() error) error {
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	for r.d.PeekKind() != ']' {
		if err := r.count(); err != nil {
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
	_, err := r.d.ReadToken()
	return err
}

func (r *reader) count() error {
	if r.pieces++; r.pieces <= maxPieces {
		return nil
	}
	return &fault.Error{
		Kind:   fault.TooLarge,
		Code:   "answer_too_large",
		Detail: fmt.Sprintf("the answer lists more than %d things", maxPieces),
		Hint:   "ask for fewer contacts at a time",
	}
}

// row reads the object that is next into a row of the shape. list reads a member
// that holds one.
func (r *reader) row(s *shape, row []any, list func(member int) error) error {
	return r.object(func(name []byte) error {
		at, ok := s.at[string(name)]
		switch {
		case !ok:
			return r.d.SkipValue()
		case at < 0:
			return list(at)
		}
		var err error
		row[at], err = r.value(&s.columns[at])
		return err
	})
}

// expect tells whether the next value is of the kind that the named thing has.
func (r *reader) expect(kind jsontext.Kind, what string) error {
	found, err := r.peek()
	if err != nil || found == kind {
		return err
	}
	return wrongType(what, kindName(kind), kindName(found))
}

// peek is the kind of the next value; the error tells why there is none.
func (r *reader) peek() (jsontext.Kind, error) {
	kind := r.d.PeekKind()
	switch kind {
	case 'n', 't', 'f', '"', '0', '{', '[':
		return kind, nil
	}
	_, err := r.d.ReadToken()
	return kind, err
}

// offset is where the value that was read last ends.
func (r *reader) offset() int { return int(r.d.InputOffset()) }

// place is a JSON pointer, from the answer's element on, to what was read last.
func (r *reader) place() string {
	_, rest, _ := strings.Cut(string(r.d.StackPointer())[1:], "/")
	return "/" + rest
}

// since is the text of the value that was begun after start and read last.
func (r *reader) since(start int) string {
	return strings.TrimLeft(r.text[start:r.offset()], ",: \t\r\n")
}

// anonymous rejects an element of the answer that has no key: a digest of the text
// since start stands in for it.
func (r *reader) anonymous(row []any, start int, reason string) pipeline.Rejected {
	sum := sha256.Sum256([]byte(r.since(start)))
	return pipeline.Rejected{Key: "sha256 " + hex.EncodeToString(sum[:16]), Row: row, Reason: reason}
}

func wrongType(what, expected, found string) error {
	return &fault.Error{
		Kind:   fault.Invalid,
		Code:   "wrong_type",
		Detail: fmt.Sprintf("%s: expected %s, found %s", what, expected, found),
		Hint:   "ask the operator of the API what has changed",
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	default:
		return "an array"
	}
}
