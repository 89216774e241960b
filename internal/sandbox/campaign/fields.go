package campaign

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// field is one of a campaign's list of fields.
type field struct {
	Type      string `json:"type"`
	FieldType string `json:"fieldType,omitempty"`
	Name      string `json:"name"`
	State     string `json:"state,omitempty"`
	Deleted   *bool  `json:"deleted,omitempty"`
	start     []byte // how its value begins in a contact: the comma, the key, the colon
}

const (
	customField = "field"
	numberField = "number"
	textField   = "text"
)

var ordinaryNames = [...]string{
	"Firma", "Anrede", "Vorname", "Nachname", "Umsatz", "Ort", "Branche", "E-Mail", "Kundennummer", "Bestellwert", "Interesse", "Vertrag",
}

// isNumber tells whether an ordinary field is one of numbers.
func isNumber(i int) bool { return i%5 == 4 }

func ordinaryFields(n int) []field {
	list := make([]field, n)
	for i := range list {
		f := field{Type: customField, FieldType: textField, State: "active", Name: fmt.Sprintf("Feld_%03d", i)}
		if i < len(ordinaryNames) {
			f.Name = ordinaryNames[i]
		}
		if isNumber(i) {
			f.FieldType = numberField
		}
		list[i] = f.ready()
	}
	return list
}

// ready works out what every contact needs of the field.
func (f field) ready() field {
	f.start = append(append([]byte(","), quote(f.Name)...), ':')
	return f
}

// quote writes a text as JSON, with nothing escaped that need not be.
func quote(text string) []byte { return appendText(nil, text) }

// addField adds a field, from now on.
func (c *campaign) addField(name, fieldType string) (uint32, error) {
	for _, f := range slices.Concat(c.fields, c.extra) {
		if f.Name == name {
			return 0, fmt.Errorf("there is a field %q already", name)
		}
	}
	if len(c.extra) >= maxFields {
		return 0, fmt.Errorf("more than %d fields were added", maxFields)
	}
	f := field{Type: customField, FieldType: cmp.Or(fieldType, textField), State: "active", Name: name}
	c.extra = append(c.extra, f.ready())
	return uint32(len(c.extra) - 1), nil //nolint:gosec // at most maxFields
}

// allFields is the fields as of now. What it gives is not changed any more.
func (c *campaign) allFields() []field {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.fields, c.extra)
}

func (c *campaign) getFields(*http.Request, []byte) (answer, error) {
	text, err := json.Marshal(c.allFields())
	return answer{text: text}, err
}
