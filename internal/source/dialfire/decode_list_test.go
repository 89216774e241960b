package dialfire

import (
	"slices"
	"testing"
)

func TestContactsList(t *testing.T) {
	for text, want := range map[string]struct {
		items  []listed
		cursor string
	}{
		`{"count":2,"results":[{"id":"A","md5":"m"},{"md5":"n","more":{},"id":"B"}],"cursor":"a+/=\u0026"}`: {[]listed{{"A", "m"}, {"B", "n"}}, "a+/=&"},
		`{"cursor":7,"results":[{"id":"A"}]}`:                                {[]listed{{"A", ""}}, "7"},
		`{"cursor":null,"results":[{"id":"A","md5":null}]}`:                  {[]listed{{"A", ""}}, ""},
		`{"results":[],"cursor":""}`:                                         {nil, ""},
		`{"results":null}`:                                                   {nil, ""},
		`{"results":[{"id":"A"}],"results":[{"id":"B","id":"C"}]}`:           {[]listed{{"C", ""}}, ""},
		`{"results":[{"id":"A"}],"results":null,"cursor":"a","cursor":null}`: {nil, ""},
	} {
		items, cursor, err := decodeList([]byte(text))
		if err != nil || !slices.Equal(items, want.items) || cursor != want.cursor {
			t.Errorf("%s: %v, %q, %v", text, items, cursor, err)
		}
	}
	for text, want := range map[string]struct{ code, detail string }{
		`{"results":[{"id":"A"},null]}`:                  {"wrong_type", "contacts/list, entry 2: expected an object, found null"},
		`{"results":["sesame"]}`:                         {"wrong_type", "contacts/list, entry 1: expected an object, found a string"},
		`{"results":[{"md5":"sesame"}]}`:                 {"missing_field", "contacts/list, entry 1: id is missing"},
		`{"results":[{"id":"sesame"},{"id":""}]}`:        {"missing_field", "contacts/list, entry 2: id is missing"},
		`{"results":[{"id":5}]}`:                         {"missing_field", "contacts/list, entry 1: id is missing"},
		`{"results":[{"id":"A"}],"cursor":{"sesame":1}}`: {"wrong_type", "contacts/list, cursor: expected a string, found an object"},
	} {
		items, cursor, err := decodeList([]byte(text))
		checkFault(t, err, want.code, want.detail)
		if items != nil || cursor != "" {
			t.Errorf("%s: %v, %q beside an error", text, items, cursor)
		}
	}
}

func TestEvents(t *testing.T) {
	for text, want := range map[string]event{
		`2018-12-27T11:41:40.249Z|0af3|ABCDEFGHJKLMNP23`: {"2018-12-27T11:41:40.249Z", "0af3", "ABCDEFGHJKLMNP23"},
		`f||A`:     {"f", "", "A"},
		`f|a|b||A`: {"f", "a|b|", "A"},
	} {
		got, cursor, err := decodeEvents([]byte(`{"count":1,"cursor":"c","results":["` + text + `"]}`))
		if err != nil || cursor != "c" || !slices.Equal(got, []event{want}) {
			t.Errorf("%s: %+v, %q, %v", text, got, cursor, err)
		}
	}
	for text, found := range map[string]string{
		`""`: "another text", `"sesame"`: "another text", `"f|sesame"`: "another text", `"f|m|"`: "another text", `"|m|A"`: "another text",
	} {
		_, _, err := decodeEvents([]byte(`{"results":["f|m|A",` + text + `]}`))
		checkFault(t, err, "wrong_type", "contacts/transactions, entry 2: expected fired, MD5 and contact with | between them, found "+found)
	}
	for text, found := range map[string]string{"5": "a number", "null": "null", `{"sesame":1}`: "an object"} {
		_, _, err := decodeEvents([]byte(`{"results":[` + text + `]}`))
		checkFault(t, err, "wrong_type", "contacts/transactions, entry 1: expected a string, found "+found)
	}
	if got, cursor, err := decodeEvents([]byte(`{"results":[]}`)); err != nil || got != nil || cursor != "" {
		t.Errorf("%v, %q, %v", got, cursor, err)
	}
}
