package dialfire

import (
	"slices"
	"strings"
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
		`{"results":[null,{"id":"A"},null]}`:                                 {[]listed{{"A", ""}}, ""},
		`{"results":[{"id":"A"}],"results":[{"id":"B","id":"C"}]}`:           {[]listed{{"C", ""}}, ""},
		`{"results":[{"id":"A"}],"results":null,"cursor":"a","cursor":null}`: {nil, ""},
	} {
		items, rejected, cursor, err := decodeList([]byte(text))
		if err != nil || !slices.Equal(items, want.items) || len(rejected) > 0 || cursor != want.cursor {
			t.Errorf("%s: %v, %v, %q, %v", text, items, rejected, cursor, err)
		}
	}
	for odd, reason := range map[string]string{
		`"sesame"`:       "contacts/list: expected an object, found a string",
		`{"md5":"open"}`: "contacts/list: the entry has no id",
		`{"id":""}`:      "contacts/list: the entry has no id",
		`{"id":5}`:       "contacts/list: the entry has no id",
		`{"id":{}}`:      "contacts/list: the entry has no id",
	} {
		for text, want := range map[string][]listed{
			`{"results":[{"id":"A"},` + odd + `,{"id":"B"}],"cursor":"c"}`: {{"A", ""}, {"B", ""}},
			`{"cursor":"c","results":[` + odd + `]}`:                       nil,
			`{"results":[5,5],"cursor":"c","results":[` + odd + `]}`:       nil,
		} {
			items, rejected, cursor, err := decodeList([]byte(text))
			if err != nil || !slices.Equal(items, want) || cursor != "c" || len(rejected) != 1 || rejected[0].Reason != reason {
				t.Errorf("%s: %v, %v, %q, %v", text, items, rejected, cursor, err)
			}
		}
	}
	for text, want := range map[string]struct{ code, detail string }{
		`{"results":[{"id":"A"},"sesame"],"cursor":{"sesame":1}}`: {"wrong_type", "contacts/list, cursor: expected a string, found an object"},
		`{"results":[` + strings.Repeat(`{"md5":5},`, 20) + `5]}`: {"wrong_type", "contacts/list: expected entries that can be read, found 21 that cannot"},
	} {
		items, rejected, cursor, err := decodeList([]byte(text))
		checkFault(t, err, want.code, want.detail)
		if items != nil || rejected != nil || cursor != "" {
			t.Errorf("%s: %v, %v, %q beside an error", text, items, rejected, cursor)
		}
	}
}

func TestEvents(t *testing.T) {
	for text, want := range map[string]event{
		`2018-12-27T11:41:40.249Z|0af3|ABCDEFGHJKLMNP23`: {"2018-12-27T11:41:40.249Z", "0af3", "ABCDEFGHJKLMNP23"},
		`f||A`:     {"f", "", "A"},
		`|m|A`:     {"", "m", "A"},
		`f|a|b||A`: {"f", "a|b|", "A"},
	} {
		got, rejected, cursor, err := decodeEvents([]byte(`{"count":1,"cursor":"c","results":["` + text + `",null]}`))
		if err != nil || cursor != "c" || len(rejected) > 0 || !slices.Equal(got, []event{want}) {
			t.Errorf("%s: %+v, %v, %q, %v", text, got, rejected, cursor, err)
		}
	}
	const another = "the entry is not fired, MD5 and contact with | between them"
	keys := map[string]bool{}
	odd := map[string]string{
		`""`: another, `"sesame"`: another, `"f|sesame"`: another, `"f|m|"`: another, `"||"`: another,
		"5": "expected a string, found a number", `{"sesame":"f|m|A"}`: "expected a string, found an object",
	}
	for text, reason := range odd {
		got, rejected, cursor, err := decodeEvents([]byte(`{"cursor":"c","results":["f|m|A",` + text + `,"f|m|B"]}`))
		if err != nil || cursor != "c" || !slices.Equal(got, []event{{"f", "m", "A"}, {"f", "m", "B"}}) ||
			len(rejected) != 1 || rejected[0].Reason != "contacts/transactions: "+reason {
			t.Errorf("%s: %+v, %v, %q, %v", text, got, rejected, cursor, err)
			continue
		}
		keys[rejected[0].Key] = true
	}
	if len(keys) != len(odd) {
		t.Errorf("%d keys tell %d entries apart", len(keys), len(odd))
	}
	all := strings.Repeat(`"sesame",`, 20)
	if got, rejected, _, err := decodeEvents([]byte(`{"results":[` + all + `null]}`)); err != nil || got != nil || len(rejected) != 20 {
		t.Errorf("%v, %d rejected, %v", got, len(rejected), err)
	}
	if got, rejected, _, err := decodeEvents([]byte(`{"results":[` + all + all + `"f|m|A"]}`)); err != nil || len(got) != 1 || len(rejected) != 40 {
		t.Errorf("%v, %d rejected, %v", got, len(rejected), err)
	}
	_, _, _, err := decodeEvents([]byte(`{"results":[` + all + all + `null]}`))
	checkFault(t, err, "wrong_type", "contacts/transactions: expected entries that can be read, found 40 that cannot")
	if got, rejected, cursor, err := decodeEvents([]byte(`{"results":[]}`)); err != nil || got != nil || rejected != nil || cursor != "" {
		t.Errorf("%v, %v, %q, %v", got, rejected, cursor, err)
	}
}
