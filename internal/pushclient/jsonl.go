package pushclient

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

type jsonLines struct {
	r *bufio.Reader
	n int64
}

// JSONLines reads an object of the API from each line. Empty lines are passed over.
func JSONLines(r io.Reader) Lines { return &jsonLines{r: bufio.NewReaderSize(r, maxLine)} }

// Next implements Lines.
func (l *jsonLines) Next() (Line, error) {
	for {
		text, size, err := l.line()
		if size == 0 {
			return Line{}, err
		}
		l.n++
		if l.n == 1 {
			text = bytes.TrimPrefix(text, []byte(byteOrderMark))
		}
		line := Line{N: l.n, Bytes: size}
		text = bytes.TrimSpace(text)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return Line{}, err
		case size > maxLine:
			line.Problems = []Problem{{Text: "The line is " + tooLong + "."}}
		case len(text) == 0:
			if err != nil {
				return Line{}, err
			}
			continue
		default:
			line.JSON, line.Problems = object(text)
		}
		if line.JSON == nil {
			line.Raw = string(text)
		}
		return line, nil
	}
}

// line reads a line and tells its size. Of one that is longer than maxLine it
// gives the beginning. It is valid until the next call.
func (l *jsonLines) line() (text []byte, size int64, err error) {
	text, err = l.r.ReadSlice('\n')
	size = int64(len(text))
	if !errors.Is(err, bufio.ErrBufferFull) {
		return text, size, err
	}
	text = bytes.Clone(text[:keptRaw])
	for errors.Is(err, bufio.ErrBufferFull) {
		var rest []byte
		rest, err = l.r.ReadSlice('\n')
		size += int64(len(rest))
	}
	return text, max(size, maxLine+1), err
}

// keptRaw is how much is kept of a line that is too long.
const keptRaw = 1 << 10

// object is the message that text holds. What could keep a whole list from being
// read by the server is told here; the fields are the server's to judge.
func object(text []byte) (jsontext.Value, []Problem) {
	var problem string
	switch v := jsontext.Value(text); {
	case !utf8.Valid(text):
		problem = "The line is not UTF-8."
	case text[0] == '[':
		problem = "Expected one JSON object a line, found the beginning of a list."
	case !v.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		problem = "The line is not valid JSON."
	case v.Kind() != '{':
		problem = "Expected a JSON object, found another value."
	default:
		if name, found := unknownMember(text); found {
			return nil, []Problem{{Field: name, Text: "There is no such field; a message has user_id, messenger_id, text, start_at, expires_at."}}
		}
		return bytes.Clone(text), nil
	}
	return nil, []Problem{{Text: problem}}
}

// answered are the members that answers have besides: what was read from the server
// may be sent to it again.
func answered() []string {
	return []string{"id", "state", "attempts", "sent_at", "last_error", "next_attempt_at", "held"}
}

// unknownMember gives the first member of an object that no message has. The
// server would pass it over, and with a misspelt start_at send at once.
func unknownMember(object []byte) (name string, found bool) {
	d := jsontext.NewDecoder(bytes.NewReader(object), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return "", false
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return "", false
		}
		name := token.String()
		if name == "via" || !slices.Contains(columns(), name) && !slices.Contains(answered(), name) {
			return name, true
		}
		if d.SkipValue() != nil {
			return "", false
		}
	}
	return "", false
}
