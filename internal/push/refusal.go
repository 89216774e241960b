package push

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Refusal says why a list of messages is not taken. Its JSON is the body of the
// answer, as the contract has it.
type Refusal struct{ JSON []byte } //nolint:errname // it is an answer first

// Error implements error.
func (r *Refusal) Error() string { return "the messages are not as they must be" }

// What is said of values that are wrong.
const (
	isRequired   = "This field is required."
	isNull       = "This field may not be null."
	isBlank      = "This field may not be blank."
	notString    = "Not a valid string."
	hasNUL       = "Null characters are not allowed."
	hasSurrogate = "Surrogate characters are not allowed: U+" // and its number
	notUnique    = "The fields user_id, messenger_id, text must make a unique set."
	wrongFormat  = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
	outOfRange   = "Datetime value out of range."
	notAfter     = "Must be later than start_at."
)

// whole is the member under which stands what is wrong with an item as a whole.
const whole = "non_field_errors"

func tooLong(most int) string {
	return "Ensure this field has no more than " + strconv.Itoa(most) + " characters."
}

func notDictionary(kind string) string {
	return "Invalid data. Expected a dictionary, but got " + kind + "."
}

// faults are what is wrong with an item: the texts of each field, in order.
type faults []fieldFaults

type fieldFaults struct {
	field string // "" of an item that is null: its texts stand without a field
	texts []string
}

func (f *faults) add(field string, texts ...string) {
	if len(texts) > 0 {
		*f = append(*f, fieldFaults{field, texts})
	}
}

func (f faults) appendJSON(b []byte) []byte {
	if len(f) == 1 && f[0].field == "" {
		return appendTexts(b, f[0].texts)
	}
	b = append(b, '{')
	for i, one := range f {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, one.field), ':')
		b = appendTexts(b, one.texts)
	}
	return append(b, '}')
}

// refusal is that of a single object.
func (f faults) refusal() *Refusal { return &Refusal{f.appendJSON(nil)} }

// refusalOf is that of a list: an entry for each item, an empty object for a good
// one.
func refusalOf(items []faults) *Refusal {
	b := []byte{'['}
	for i, f := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.appendJSON(b)
	}
	return &Refusal{append(b, ']')}
}

// refused is that of a body that is not even a list.
func refused(field, text string) *Refusal {
	f := faults{{field, []string{text}}}
	return f.refusal()
}

func appendTexts(b []byte, texts []string) []byte {
	b = append(b, '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, text)
	}
	return append(b, ']')
}

// appendString adds a JSON string. What is not UTF-8 in it becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the error tells of bad UTF-8, which is replaced
	return b
}
