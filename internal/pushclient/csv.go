package pushclient

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"ferryman/internal/fault"
)

type csvLines struct {
	csv     *csv.Reader
	source  *bounded
	columns []string
	read    int64 // up to where the file is read
	line    int   // of the last record
}

// columns that a file may have. A messenger is named or numbered in either of two.
func columns() []string {
	return []string{"user_id", "via", "messenger_id", "text", "start_at", "expires_at"}
}

// CSV reads a message from each record, whose fields are separated as those of the
// header in the first line: by commas, semicolons or tabs. A header that lacks
// something is a fault of kind Invalid.
func CSV(r io.Reader) (Lines, error) {
	source := &bounded{r: r, left: maxRecord}
	first := bufio.NewReaderSize(source, 4<<10)
	head, err := first.Peek(4 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte(byteOrderMark)) {
		head = head[len(byteOrderMark):]
		_, _ = first.Discard(len(byteOrderMark)) // it was peeked at
	}
	l := &csvLines{csv: csv.NewReader(first), source: source}
	l.csv.Comma, l.csv.ReuseRecord = separator(head), true
	header, err := l.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, badHeader("the file is empty")
	}
	if err != nil {
		return nil, badHeader("the header cannot be read: " + err.Error())
	}
	for _, name := range header {
		l.columns = append(l.columns, strings.ToLower(strings.TrimSpace(name)))
	}
	l.read, l.line = l.csv.InputOffset(), 1
	return l, l.checkHeader()
}

func (l *csvLines) checkHeader() error {
	for i, name := range l.columns {
		if !slices.Contains(columns(), name) {
			return badHeader(fmt.Sprintf("column %d of the header is %q", i+1, name))
		}
		if slices.Contains(l.columns[:i], name) {
			return badHeader("the header has " + name + " twice")
		}
	}
	for _, name := range []string{"user_id", "text"} {
		if !slices.Contains(l.columns, name) {
			return badHeader("the header has no " + name)
		}
	}
	if slices.Contains(l.columns, "via") == slices.Contains(l.columns, "messenger_id") {
		return badHeader("the header needs one of via and messenger_id")
	}
	return nil
}

func badHeader(detail string) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "csv_header", Detail: detail,
		Hint: "the first line names the columns: user_id, via or messenger_id, text, and if need be start_at, expires_at",
	}
}

// separator is what stands between the columns of a header.
func separator(head []byte) rune {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	best, most := ',', 0
	for _, c := range ",;\t" {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// Next implements Lines.
func (l *csvLines) Next() (Line, error) {
	l.source.left = maxRecord
	record, err := l.csv.Read()
	line := Line{Bytes: l.csv.InputOffset() - l.read}
	l.read = l.csv.InputOffset()
	wrong, malformed := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errRecordTooLong):
		return Line{}, &fault.Error{
			Kind: fault.Invalid, Code: "record_too_long", Detail: fmt.Sprintf("the record after that of line %d is %s", l.line, tooLong),
			Hint: "look for a quotation mark that is not closed",
		}
	case malformed && wrong.Line != wrong.StartLine:
		// Where the records begin after it nobody can tell.
		return Line{}, &fault.Error{
			Kind: fault.Invalid, Code: "csv_record", Detail: fmt.Sprintf("the record of line %d is not valid CSV up to line %d: %v", wrong.StartLine, wrong.Line, wrong.Err),
			Hint: "look for a quotation mark that is not closed, mend it, and send the file again: what is stored already is left alone",
		}
	case malformed:
		l.line = wrong.StartLine
		line.N, line.Problems = int64(wrong.StartLine), []Problem{{Text: explainCSV(wrong, len(record), len(l.columns))}}
		line.Raw = strings.Join(record, string(l.csv.Comma))
		return line, nil
	case err != nil:
		return Line{}, err
	}
	l.line, _ = l.csv.FieldPos(0)
	line.N = int64(l.line)
	line.JSON, line.Problems = l.message(record)
	if line.JSON == nil {
		line.Raw = strings.Join(record, string(l.csv.Comma))
	}
	return line, nil
}

func explainCSV(e *csv.ParseError, found, want int) string {
	if errors.Is(e.Err, csv.ErrFieldCount) {
		return fmt.Sprintf("The record has %d fields, and the header %d.", found, want)
	}
	return fmt.Sprintf("The record is not valid CSV: %v.", e.Err)
}

// message makes the API's object. An empty time is none.
func (l *csvLines) message(record []string) ([]byte, []Problem) {
	var d Draft
	for i, value := range record {
		switch l.columns[i] {
		case "user_id":
			d.UserID = value
		case "text":
			d.Text = value
		case "via", "messenger_id":
			id, ok := MessengerID(strings.TrimSpace(value))
			if !ok {
				return nil, []Problem{{Field: l.columns[i], Text: fmt.Sprintf("%q is none of %s, 0, 1, 2.", value, strings.Join(Messengers(), ", "))}}
			}
			d.Messenger = id
		case "start_at":
			d.StartAt = strings.TrimSpace(value)
		case "expires_at":
			d.ExpiresAt = strings.TrimSpace(value)
		}
	}
	if !slices.ContainsFunc(record, func(s string) bool { return !utf8.ValidString(s) }) {
		if encoded, err := json.Marshal(d); err == nil {
			return encoded, nil
		}
	}
	return nil, []Problem{{Text: "The record is not UTF-8."}}
}

// maxRecord leaves room for what is read ahead.
const maxRecord = maxLine + 8<<10

var errRecordTooLong = errors.New("record too long")

// bounded ends the reading of a record that does not end.
type bounded struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRecordTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
