package push_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/push"
)

// said is what a body is answered with: the refusal, or the messages as they
// were read.
func said(t testing.TB, body string) string {
	t.Helper()
	messages, err := push.Decode([]byte(body))
	if refusal, ok := errors.AsType[*push.Refusal](err); ok {
		if !json.Valid(refusal.JSON) {
			t.Fatalf("%s is told what is no JSON: %s", body, refusal.JSON)
		}
		return string(refusal.JSON)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range messages {
		one := fmt.Sprintf("%s|%d|%s", m.UserID, m.Messenger, m.Text)
		if m.StartAt != nil {
			one += "|" + m.StartAt.Format("2006-01-02T15:04:05.999999999Z07:00")
		}
		if m.ExpiresAt != nil {
			one += "|until " + m.ExpiresAt.Format("2006-01-02T15:04:05.999999999Z07:00")
		}
		all = append(all, one)
	}
	return strings.Join(all, "\n")
}

const wrongTime = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."

// TestFields gives one field of a good message another value: "" leaves it away.
func TestFields(t *testing.T) {
	long := strings.Repeat("é", 201)
	for _, c := range []struct{ field, value, want string }{
		{"user_id", `"ann"`, "ann|1|hello"},
		{"user_id", `" \u00a0\u001f\u2003ann b\u3000\n"`, "ann b|1|hello"},
		{"user_id", `"\u200bann"`, "\u200bann|1|hello"}, // which is no white space
		{"user_id", `7`, "7|1|hello"},
		{"user_id", `-0`, "0|1|hello"},
		{"user_id", `98765432109876543210987654321`, "98765432109876543210987654321|1|hello"},
		{"user_id", `2.5`, "2.5|1|hello"},
		{"user_id", `1.0`, "1.0|1|hello"},
		{"user_id", `1e2`, "100.0|1|hello"},
		{"user_id", `-0.0`, "-0.0|1|hello"},
		{"user_id", `1E15`, "1000000000000000.0|1|hello"},
		{"user_id", `1e16`, "1e+16|1|hello"},
		{"user_id", `0.0001`, "0.0001|1|hello"},
		{"user_id", `0.00001`, "1e-05|1|hello"},
		{"user_id", `1.50000000000000000001`, "1.5|1|hello"},
		{"user_id", `123456789.125e-300`, "1.23456789125e-292|1|hello"},
		{"user_id", `1e-999`, "0.0|1|hello"},
		{"user_id", `1e999`, "Not a valid string."},
		{"user_id", ``, "This field is required."},
		{"user_id", `null`, "This field may not be null."},
		{"user_id", `""`, "This field may not be blank."},
		{"user_id", `" \t\u2028"`, "This field may not be blank."},
		{"user_id", `true`, "Not a valid string."},
		{"user_id", `{"a":1}`, "Not a valid string."},
		{"user_id", `["a"]`, "Not a valid string."},
		{"user_id", `"` + long + `"`, "Ensure this field has no more than 200 characters."},
		{"user_id", `"` + long[2:] + `"`, long[2:] + "|1|hello"},
		{"user_id", `1` + strings.Repeat("0", 200), "Ensure this field has no more than 200 characters."},
		{"user_id", `"x\u0000y"`, "Null characters are not allowed."},
		{"user_id", `"\u0000` + long + `"`, "Ensure this field has no more than 200 characters. & Null characters are not allowed."},
		{"user_id", `"x\ud801"`, "Surrogate characters are not allowed: U+D801."},
		{"user_id", `"\\\udffe\ud801"`, "Surrogate characters are not allowed: U+DFFE."},
		{"user_id", `"\ud83d\ud83d\ude00"`, "Surrogate characters are not allowed: U+D83D."},
		{"user_id", `"\\ud83d\ud83d\ude00"`, `\ud83d😀|1|hello`},
		{"user_id", `"�"`, "�|1|hello"},
		{"user_id", `"\ufffd"`, "�|1|hello"},

		{"messenger_id", `0`, "ann|0|hello"},
		{"messenger_id", `-0`, "ann|0|hello"},
		{"messenger_id", `2`, "ann|2|hello"},
		{"messenger_id", `"2"`, "ann|2|hello"},
		{"messenger_id", `"\u0032"`, "ann|2|hello"},
		{"messenger_id", ``, "This field is required."},
		{"messenger_id", `null`, "This field may not be null."},
		{"messenger_id", `4`, `"4" is not a valid choice.`},
		{"messenger_id", `-1`, `"-1" is not a valid choice.`},
		{"messenger_id", `1.0`, `"1.0" is not a valid choice.`},
		{"messenger_id", `1e999`, `"inf" is not a valid choice.`},
		{"messenger_id", `-1e999`, `"-inf" is not a valid choice.`},
		{"messenger_id", `"2 "`, `"2 " is not a valid choice.`},
		{"messenger_id", `""`, `"" is not a valid choice.`},
		{"messenger_id", `true`, `"True" is not a valid choice.`},
		{"messenger_id", `{}`, `"{}" is not a valid choice.`},
		{"messenger_id", `[2]`, `"[2]" is not a valid choice.`},
		{"messenger_id", `[null, true, false, 1.50, "it's", "a\"b'", "\n\t\r\u007f\u200b\udb40\udc01"]`,
			`"[None, True, False, 1.5, "it's", 'a"b\'', '\n\t\r\x7f\u200b\U000e0001']" is not a valid choice.`},
		{"messenger_id", `{"a":{"b":[]},"c":1}`, `"{'a': {'b': []}, 'c': 1}" is not a valid choice.`},
		{"messenger_id", `"` + strings.Repeat("é", 1000) + `"`, `"` + strings.Repeat("é", 100) + `…" is not a valid choice.`},
		{"messenger_id", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), `"` + strings.Repeat("[", 100) + `…" is not a valid choice.`},
		{"messenger_id", `["` + strings.Repeat("é", 1000) + `"]`, `"['` + strings.Repeat("é", 98) + `…" is not a valid choice.`},
		{"messenger_id", strings.Repeat("7", 1000), `"` + strings.Repeat("7", 100) + `…" is not a valid choice.`},

		{"text", `" a\r\nb "`, "ann|1|a\r\nb"},
		{"text", `12`, "ann|1|12"},
		{"text", ``, "This field is required."},
		{"text", `null`, "This field may not be null."},
		{"text", `"\u0085"`, "This field may not be blank."},
		{"text", `[]`, "Not a valid string."},
		{"text", `"` + strings.Repeat("😀", 4096) + ` "`, "ann|1|" + strings.Repeat("😀", 4096)},
		{"text", `"` + strings.Repeat("😀", 4097) + `"`, "Ensure this field has no more than 4096 characters."},

		{"start_at", ``, "ann|1|hello"},
		{"start_at", `null`, "ann|1|hello"},
		{"start_at", `"2031-02-03T04:05"`, "ann|1|hello|2031-02-03T04:05:00Z"},
		{"start_at", `"2031-2-3 4:5"`, "ann|1|hello|2031-02-03T04:05:00Z"},
		{"start_at", `"2031-02-03 04:05:6"`, "ann|1|hello|2031-02-03T04:05:06Z"},
		{"start_at", `"2031-02-03T04:05:06.7Z"`, "ann|1|hello|2031-02-03T04:05:06.7Z"},
		{"start_at", `"2031-02-03T04:05:06,000001Z"`, "ann|1|hello|2031-02-03T04:05:06.000001Z"},
		{"start_at", `"2031-02-03T04:05:06.123456789012"`, "ann|1|hello|2031-02-03T04:05:06.123456Z"},
		{"start_at", `"2031-02-03T04:05:06+02:30"`, "ann|1|hello|2031-02-03T01:35:06Z"},
		{"start_at", `"2031-02-03T04:05-0230"`, "ann|1|hello|2031-02-03T06:35:00Z"},
		{"start_at", `"2031-02-03T04:05+23"`, "ann|1|hello|2031-02-02T05:05:00Z"},
		{"start_at", `"2031-02-03T04:05\u002b00:99"`, "ann|1|hello|2031-02-03T02:26:00Z"},
		{"start_at", `"2032-02-29T00:00"`, "ann|1|hello|2032-02-29T00:00:00Z"},
		{"start_at", `"0001-01-01 00:00"`, "ann|1|hello|0001-01-01T00:00:00Z"},
		{"start_at", `"9999-12-31T23:59:59.999999Z"`, "ann|1|hello|9999-12-31T23:59:59.999999Z"},
		{"start_at", `"0001-01-01T00:00+00:01"`, "Datetime value out of range."},
		{"start_at", `"9999-12-31T23:59:59-00:01"`, "Datetime value out of range."},
		{"start_at", `"0000-01-01T00:00"`, wrongTime},
		{"start_at", `"2031-02-29T00:00"`, wrongTime},
		{"start_at", `"2031-13-01T00:00"`, wrongTime},
		{"start_at", `"2031-02-00T00:00"`, wrongTime},
		{"start_at", `"2031-02-03T24:00"`, wrongTime},
		{"start_at", `"2031-02-03T04:60"`, wrongTime},
		{"start_at", `"2031-02-03T04:05:60"`, wrongTime},
		{"start_at", `"2031-02-03"`, wrongTime},
		{"start_at", `"2031-02-03T04"`, wrongTime},
		{"start_at", `"2031-02-03t04:05"`, wrongTime},
		{"start_at", `"2031-02-03T04:05z"`, wrongTime},
		{"start_at", `"2031-02-03T04:05:06."`, wrongTime},
		{"start_at", `"2031-02-03T04:05.5"`, wrongTime},
		{"start_at", `"2031-02-03T04:05:06.1234567890123"`, wrongTime},
		{"start_at", `"2031-02-03T04:05+24:00"`, wrongTime},
		{"start_at", `"2031-02-03T04:05+2"`, wrongTime},
		{"start_at", `"2031-02-03T04:05+02:"`, wrongTime},
		{"start_at", `"2031-02-03T04:05+02:3"`, wrongTime},
		{"start_at", `"2031-02-03T04:05Z "`, wrongTime},
		{"start_at", `" 2031-02-03T04:05"`, wrongTime},
		{"start_at", `"soon"`, wrongTime},
		{"start_at", `""`, wrongTime},
		{"start_at", `1924000000`, wrongTime},
		{"start_at", `false`, wrongTime},
		{"start_at", `[]`, wrongTime},

		{"expires_at", `"2031-02-03T04:05"`, "ann|1|hello|until 2031-02-03T04:05:00Z"},
		{"expires_at", `null`, "ann|1|hello"},
		{"expires_at", `"never"`, wrongTime},
	} {
		values := map[string]string{"user_id": `"ann"`, "messenger_id": "1", "text": `"hello"`}
		values[c.field] = c.value
		var members []string
		for field, value := range values {
			if value != "" {
				members = append(members, fmt.Sprintf("%q:%s", field, value))
			}
		}
		want := c.want
		if !strings.Contains(want, "|1|") && !strings.Contains(want, "|0|") && !strings.Contains(want, "|2|") {
			texts, err := json.Marshal(map[string][]string{c.field: strings.Split(want, " & ")})
			if err != nil {
				t.Fatal(err)
			}
			want = "[" + string(texts) + "]"
		}
		if got := said(t, "[{"+strings.Join(members, ",")+"}]"); got != want {
			t.Errorf("%s: %.80s\n got %.300s\nwant %.300s", c.field, c.value, got, want)
		}
	}
}

func TestBodies(t *testing.T) {
	good := `{"user_id":"ann","messenger_id":1,"text":"hello"}`
	for body, want := range map[string]string{
		`[]`:                          "",
		` [ ` + good + ` ] `:          "ann|1|hello",
		`[` + good + `,` + good + `]`: "ann|1|hello\nann|1|hello", // what is there already is for Post to know

		`{}`:    `{"non_field_errors":["Expected a list of items but got type \"dict\"."]}`,
		`"a"`:   `{"non_field_errors":["Expected a list of items but got type \"str\"."]}`,
		`-3`:    `{"non_field_errors":["Expected a list of items but got type \"int\"."]}`,
		`3.5`:   `{"non_field_errors":["Expected a list of items but got type \"float\"."]}`,
		`false`: `{"non_field_errors":["Expected a list of items but got type \"bool\"."]}`,
		`null`:  `{"non_field_errors":["No data provided"]}`,

		`[null]`: `[["This field may not be null."]]`,
		`[7, 7e0, "x", true, [[1]], ` + good + `, {}]`: `[{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]},` +
			`{"non_field_errors":["Invalid data. Expected a dictionary, but got float."]},{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]},` +
			`{"non_field_errors":["Invalid data. Expected a dictionary, but got bool."]},{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]},{},` +
			`{"user_id":["This field is required."],"messenger_id":["This field is required."],"text":["This field is required."]}]`,
		// All that is wrong is told at once.
		`[{"user_id":"","messenger_id":9,"text":null,"start_at":"x","expires_at":0}]`: `[{"user_id":["This field may not be blank."],` +
			`"messenger_id":["\"9\" is not a valid choice."],"text":["This field may not be null."],"start_at":["` + wrongTime + `"],"expires_at":["` + wrongTime + `"]}]`,
		// Of a messenger that nobody knows, nobody knows the longest text.
		`[{"user_id":1,"messenger_id":9,"text":"` + strings.Repeat("x", 9000) + `"}]`: `[{"messenger_id":["\"9\" is not a valid choice."]}]`,
		`[{"user_id":1,"messenger_id":0,"text":"` + strings.Repeat("x", 7001) + `"}]`: `[{"text":["Ensure this field has no more than 7000 characters."]}]`,
		// The last of two members counts, however it is written.
		`[{"user_id":"a","text":"x","messenger_id":1,"te\u0078t":"y","user_id":null,"user_id":"ann"}]`: "ann|1|y",
		`[{"id":"x","extra":[{}],"USER_ID":1,"":0,"user_id":"ann","messenger_id":1,"text":"hello"}]`:   "ann|1|hello",
		// Half a surrogate pair in a name makes another name.
		`[{"\ud800":1,"user_id\udfff":2,"user_id":"ann","messenger_id":1,"text":"hello"}]`: "ann|1|hello",
		// What expires before it is sent.
		`[{"user_id":1,"messenger_id":1,"text":"x","start_at":"2031-01-01T00:00","expires_at":"2031-01-01T00:00"}]`:           `[{"expires_at":["Must be later than start_at."]}]`,
		`[{"user_id":1,"messenger_id":1,"text":"x","start_at":"soon","expires_at":"2031-01-01T00:00"}]`:                       `[{"start_at":["` + wrongTime + `"]}]`,
		`[{"user_id":1,"messenger_id":1,"text":"x","start_at":"2031-01-01T00:00","expires_at":"2031-01-01T00:00:00.000001"}]`: "1|1|x|2031-01-01T00:00:00Z|until 2031-01-01T00:00:00.000001Z",

		"":                       `{"detail":"JSON parse error - the body is empty"}`,
		" \n":                    `{"detail":"JSON parse error - the body is empty"}`,
		`[`:                      `{"detail":"JSON parse error - the body ends too early, at byte 1"}`,
		`[{"user_id`:             `{"detail":"JSON parse error - the body ends too early, at byte 10"}`,
		`{"a":1`:                 `{"detail":"JSON parse error - the body ends too early, at byte 6"}`,
		`[] x`:                   `{"detail":"JSON parse error - invalid character 'x' at start of value at byte 3"}`,
		`[] []`:                  `{"detail":"JSON parse error - there is more after the value, at byte 4"}`,
		`{} {}`:                  `{"detail":"JSON parse error - there is more after the value, at byte 4"}`,
		`[{"user_id":NaN}]`:      `{"detail":"JSON parse error - Out of range float values are not JSON compliant: 'NaN'"}`,
		`[-Infinity]`:            `{"detail":"JSON parse error - Out of range float values are not JSON compliant: '-Infinity'"}`,
		`{"x":Infinity}`:         `{"detail":"JSON parse error - Out of range float values are not JSON compliant: 'Infinity'"}`,
		"[\"\xff\"]":             `{"detail":"JSON parse error - byte 2 is not UTF-8"}`,
		"[\"€😀\", \"\xe2\x82\"]": `{"detail":"JSON parse error - byte 13 is not UTF-8"}`,
		"[\"\xed\xa0\x80\"]":     `{"detail":"JSON parse error - byte 2 is not UTF-8"}`, // half a surrogate pair
		"\ufeff[]":               `{"detail":"JSON parse error - invalid character '\\ufeff' at start of value at byte 0"}`,
	} {
		if got := said(t, body); got != want {
			t.Errorf("%.200s\n got %.500s\nwant %.500s", body, got, want)
		}
	}
	// What is wrong at the end is told before what is wrong in an item.
	for _, body := range []string{`[{}, 1 2]`, `["a\u00zz"]`, "[\"a\nb\"]", `[01]`, `['a']`, `[{a:1}]`, strings.Repeat("[", 20_000)} {
		if got := said(t, body); !strings.HasPrefix(got, `{"detail":"JSON parse error - `) || len(got) > 300 {
			t.Errorf("%.100s: %s", body, got)
		}
	}
}

func TestTooManyItems(t *testing.T) {
	list := func(n int) []byte { return []byte("[" + strings.Repeat("{},", n-1) + "{}]") }
	if _, err := push.Decode(list(push.MaxItems + 1)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("%v", err)
	}
	if _, err := push.Decode(list(push.MaxItems)); fault.KindOf(err) == fault.TooLarge {
		t.Errorf("%v", err)
	}
	if all, err := push.Decode(manyMessages(push.MaxItems, "at the bound")); err != nil || len(all) != push.MaxItems {
		t.Errorf("%d, %v", len(all), err)
	}
}

// FuzzDecode shows that no body does harm, that a refusal is JSON, and that what
// is taken is taken again as the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`[]`, `null`, `[{"user_id":1,"messenger_id":"1","text":"a\ud83d\ude00","start_at":"2031-2-3 4:5:6.7+01","expires_at":null}]`,
		`[{"user_id":1e2,"messenger_id":[{"a":null}],"text":"\ud800"},null,3]`, `[{"user_id":NaN`, "[\"\xff\"]", `{"start_at":"2031-02-03T04:05Z"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := string(body)
		messages, err := push.Decode(body)
		if string(body) != kept {
			t.Fatal("the body was changed")
		}
		refusal, ok := errors.AsType[*push.Refusal](err)
		switch {
		case ok && !json.Valid(refusal.JSON):
			t.Fatalf("no JSON: %q", refusal.JSON)
		case err != nil && !ok && fault.KindOf(err) != fault.TooLarge:
			t.Fatal(err)
		case err != nil:
			return
		}
		list := []byte{'['}
		for i, m := range messages {
			if i > 0 {
				list = append(list, ',')
			}
			list = push.Stored{Message: m}.AppendJSON(list)
		}
		list = append(list, ']')
		if again, was := said(t, string(list)), said(t, string(body)); again != was {
			t.Fatalf("%q became %q", was, again)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body := manyMessages(1000, "decode")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if messages, err := push.Decode(body); err != nil || len(messages) != 1000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func manyMessages(n int, text string) []byte {
	b := []byte{'['}
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"user_id": %d, "messenger_id": %d, "text": "%s, message %d for you: \u2713", "start_at": "2031-01-02T03:04:05+02:00"}`, 1_000_000+i, i%3, text, i)
	}
	return append(b, ']')
}
