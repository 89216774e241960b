package pushclient

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
)

// all reads a file to its end: each line as "N JSON" or "N problem".
func all(t *testing.T, lines Lines) (read []string) {
	t.Helper()
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return read
		}
		if err != nil {
			t.Fatal(err)
		}
		text := string(l.JSON)
		if len(l.Problems) > 0 {
			text = l.Problems[0].String()
		}
		read = append(read, fmt.Sprint(l.N, " ", text))
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	long := `{"text":"` + strings.Repeat("x", maxLine) + `"}`
	fits := `{"text":"` + strings.Repeat("x", maxLine-12) + `"}`
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"empty":           {"", nil},
		"only blanks":     {"\n \r\n\n", nil},
		"ends in mid":     {"{}\n{\"text\":1}", []string{"1 {}", `2 {"text":1}`}},
		"windows":         {byteOrderMark + "{}\r\n\r\n {\"text\":\"ж\"} \r\n", []string{"1 {}", `3 {"text":"ж"}`}},
		"surrogate":       {`{"text":"\ud800"}`, []string{`1 {"text":"\ud800"}`}},
		"a name twice":    {`{"text":1,"text":2}`, []string{`1 {"text":1,"text":2}`}},
		"not UTF-8":       {"{\"text\":\"\xff\"}\n{}", []string{"1 The line is not UTF-8.", "2 {}"}},
		"not JSON":        {"{]\n{}\n{} {}\n{", []string{"1 The line is not valid JSON.", "2 {}", "3 The line is not valid JSON.", "4 The line is not valid JSON."}},
		"a list":          {"[\n{},\n]", []string{"1 Expected one JSON object a line, found the beginning of a list.", "2 The line is not valid JSON.", "3 The line is not valid JSON."}},
		"another value":   {"null\n5", []string{"1 Expected a JSON object, found another value.", "2 Expected a JSON object, found another value."}},
		"too long":        {"{}\n" + long + "\n{}\n" + long, []string{"1 {}", "2 The line is longer than 256 KiB.", "3 {}", "4 The line is longer than 256 KiB."}},
		"as long as can":  {fits + "\n{}", []string{"1 " + fits, "2 {}"}},
		"misspelt":        {`{"text":"x","startat":"2030-01-02"}` + "\n{}", []string{"1 startat: There is no such field; a message has user_id, messenger_id, text, start_at, expires_at.", "2 {}"}},
		"read from it":    {`{"id":1,"text":"x","state":"sent","held":null}`, []string{`1 {"id":1,"text":"x","state":"sent","held":null}`}},
		"zero characters": {"\x00\n{}", []string{"1 The line is not valid JSON.", "2 {}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(test.text), iotest.OneByteReader(strings.NewReader(test.text))} {
				if got := all(t, JSONLines(r)); !slices.Equal(got, test.want) {
					t.Errorf("got %.300q\nwant %.300q", got, test.want)
				}
			}
		})
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	const a = `{"user_id":"a","messenger_id":"1","text":"hi"}`
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"only a header":    {"user_id,via,text\n", nil},
		"by name":          {"user_id,via,text\na,telegram,hi\na,TELEGRAM,hi\na,1,hi", []string{"2 " + a, "3 " + a, "4 " + a}},
		"by number":        {"text,messenger_id,user_id\nhi,1,a\n", []string{"2 " + a}},
		"from a desk":      {byteOrderMark + "User_ID ; via;text\r\na;telegram;hi\r\n", []string{"2 " + a}},
		"tabs":             {"user_id\tvia\ttext\na\ttelegram\thi", []string{"2 " + a}},
		"quoted header":    {"\"user_id\",\"via\",\"text\"\na,1,hi", []string{"2 " + a}},
		"over lines":       {"user_id,via,text\na,1,\"h\n\"\"i\"\n\na,1,hi\n", []string{`2 {"user_id":"a","messenger_id":"1","text":"h\n\"i"}`, "5 " + a}},
		"times":            {"user_id,via,text,start_at,expires_at\na,1,hi,,\na,1,hi, 2030-01-02 ,x", []string{"2 " + a, `3 {"user_id":"a","messenger_id":"1","text":"hi","start_at":"2030-01-02","expires_at":"x"}`}},
		"unknown":          {"user_id,via,text\na,signal,hi\na,,hi", []string{`2 via: "signal" is none of viber, telegram, whatsapp, 0, 1, 2.`, `3 via: "" is none of viber, telegram, whatsapp, 0, 1, 2.`}},
		"fields":           {"user_id,via,text\na,1\na,1,hi,x\na,1,hi", []string{"2 The record has 2 fields, and the header 3.", "3 The record has 4 fields, and the header 3.", "4 " + a}},
		"a quotation mark": {"user_id,via,text\na,1,h\"i\na,1,\"h\"i\na,1,hi", []string{`2 The record is not valid CSV: bare " in non-quoted-field.`, `3 The record is not valid CSV: extraneous or missing " in quoted-field.`, "4 " + a}},
		"not UTF-8":        {"user_id,via,text\na,1,h\xff\na,1,hi\n", []string{"2 The record is not UTF-8.", "3 " + a}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(test.text), iotest.OneByteReader(strings.NewReader(test.text))} {
				lines, err := CSV(r)
				if err != nil {
					t.Fatal(err)
				}
				if got := all(t, lines); !slices.Equal(got, test.want) {
					t.Errorf("got  %q\nwant %q", got, test.want)
				}
			}
		})
	}
}

func TestCSVHeader(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "the file is empty",
		"\n\n":                             "the file is empty",
		"user_id,text\n":                   "one of via and messenger_id",
		"user_id,via,messenger_id,text\n":  "one of via and messenger_id",
		"user_id,via\n":                    "has no text",
		"via,text\n":                       "has no user_id",
		"user_id,via,text,expires\n":       `column 4 of the header is "expires"`,
		"user_id,via,text,text\n":          "has text twice",
		"a,telegram,hi\n":                  `column 1 of the header is "a"`,
		"\"user_id\n":                      "cannot be read",
		"user_id|via|text\n":               `column 1 of the header is "user_id|via|text"`,
		strings.Repeat("user_id,", 1<<17):  "cannot be read",
		`{"user_id":"a","messenger_id":1}`: "cannot be read",
	} {
		_, err := CSV(strings.NewReader(text))
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "(the first line names the columns") {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
	}
	broken := errors.New("broken")
	if _, err := CSV(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// Where the records after a quotation mark that is not closed begin nobody knows.
func TestCSVQuotationNotClosed(t *testing.T) {
	t.Parallel()
	lines, err := CSV(strings.NewReader("user_id,via,text\na,1,hi\na,1,\"hi\na,1,hi\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lines.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err = lines.Next(); fault.CodeOf(err) != "csv_record" || !strings.Contains(err.Error(), "line 3 is not valid CSV up to line 4") {
		t.Errorf("got %v", err)
	}
}

// A quotation mark that is never closed does not take the rest of the file into
// memory.
func TestCSVRecordTooLong(t *testing.T) {
	t.Parallel()
	endless := io.MultiReader(strings.NewReader("user_id,via,text\na,1,hi\na,1,\""), repeat("x,y,z\n"))
	lines, err := CSV(endless)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = lines.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err = lines.Next(); fault.CodeOf(err) != "record_too_long" || !strings.Contains(err.Error(), "after that of line 2") {
		t.Errorf("got %v", err)
	}
}

// repeat is the same text for ever.
type repeat string

func (r repeat) Read(p []byte) (int, error) { return copy(p, r), nil }

func FuzzLines(f *testing.F) {
	for _, s := range []string{"{}\n{\"a\":1}\n", "user_id,via,text\na,1,\"h\ni\"\nb,2,x\n", "user_id;via;text\n\"", byteOrderMark + "[]\n", "user_id,via,text\n,,\n\"\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		sound(t, JSONLines(strings.NewReader(string(text))), len(text))
		if lines, err := CSV(strings.NewReader(string(text))); err == nil {
			sound(t, lines, len(text))
		} else if fault.KindOf(err) != fault.Invalid {
			t.Errorf("the header: %v", err)
		}
	})
}

// sound reads lines to their end: each is a message or has a problem, they rise,
// and take no more than there is.
func sound(t *testing.T, lines Lines, most int) {
	t.Helper()
	last, size := int64(0), int64(0)
	for {
		l, err := lines.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && fault.CodeOf(err) != "record_too_long" && fault.CodeOf(err) != "csv_record" {
				t.Fatal(err)
			}
			break
		}
		if (l.JSON == nil) == (len(l.Problems) == 0) {
			t.Fatalf("both or neither: %+v", l)
		}
		if l.JSON != nil && (l.JSON.Kind() != '{' || !l.JSON.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))) {
			t.Fatalf("no object: %s", l.JSON)
		}
		if l.N <= last || l.Bytes < 0 {
			t.Fatalf("line %d after %d, of %d bytes", l.N, last, l.Bytes)
		}
		last, size = l.N, size+l.Bytes
	}
	if size > int64(most) {
		t.Fatalf("%d bytes of %d", size, most)
	}
}
