package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

func TestDescriptionIsValid(t *testing.T) {
	text, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaPatternValidation()); err != nil {
		t.Error(err)
	}
}

func TestJSONSaysWhatTheYAMLSays(t *testing.T) {
	text, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML any
	if err := json.Unmarshal(text, &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(YAML(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(plain, &fromYAML); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromJSON, fromYAML) {
		t.Error("JSON and YAML differ")
	}
	if !bytes.HasPrefix(text, []byte(`{"openapi":"3.1.0","info":{"title":"Ferryman"`)) {
		t.Errorf("the order is lost: %.80s", text)
	}
	if regexp.MustCompile(`\\u00[0-9a-f]{2}`).Match(text) {
		t.Error("the JSON escapes what need not be escaped")
	}
}

func TestYAMLIsTheCallersOwn(t *testing.T) {
	mine := YAML()
	mine[0] = 'X'
	if YAML()[0] == 'X' {
		t.Error("a caller changed the description for all")
	}
}
