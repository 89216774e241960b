package pulpo

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
)

func userFrom(text string) (row []any, err error) {
	err = httpclient.DecodeJSON(strings.NewReader(text), func(d *jsontext.Decoder) (err error) {
		row, err = decodeUser(d, Users())
		return err
	})
	return row, err
}

func warehousesFrom(text string) (rows [][]any, err error) {
	err = httpclient.DecodeJSON(strings.NewReader(text), func(d *jsontext.Decoder) (err error) {
		rows, err = decodeWarehouses(d, 7, Warehouses())
		return err
	})
	return rows, err
}

// wrongValues are JSON values by what a message calls them.
var wrongValues = map[string]string{
	`true`: "a boolean", `5`: "a number", `"sesame"`: "a string", `{"a":1}`: "an object", `[1]`: "an array",
}

// object is base with one member set to a JSON text; "" leaves it out.
func object(t *testing.T, base map[string]string, name, value string) string {
	t.Helper()
	m := map[string]json.RawMessage{}
	for k, v := range base {
		m[k] = json.RawMessage(v)
	}
	m[name] = json.RawMessage(value)
	if value == "" {
		delete(m, name)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// check compares an error with the code and the end of the detail.
func check(t *testing.T, err error, code, detail string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %s: %s", code, detail)
		return
	}
	f := faultOf(t, err)
	if f.Kind != fault.Invalid || f.Code != code || f.Detail != detail || f.Temporary() {
		t.Errorf("got  %s/%s: %s\nwant %s: %s", f.Kind, f.Code, f.Detail, code, detail)
	}
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("the value is in %q", err)
	}
}

func TestEveryUserField(t *testing.T) {
	base := map[string]string{"id": "7", "username": `"u"`, "email": `"e"`, "employee_id": `"1"`, "first_name": `"f"`, "last_name": `""`}
	for name := range base {
		who, expected := "user 7", "a string"
		if name == "id" {
			who, expected = "the user", "an integer"
		}
		message := func(found string) string {
			return fmt.Sprintf("%s, field %s: expected %s, found %s", who, name, expected, found)
		}
		_, err := userFrom(object(t, base, name, ""))
		check(t, err, "missing_field", message("nothing"))
		_, err = userFrom(object(t, base, name, "null"))
		check(t, err, "missing_field", message("null"))
		for value, found := range wrongValues {
			if found == "a string" && name != "id" || found == "a number" && name == "id" {
				continue
			}
			_, err = userFrom(object(t, base, name, value))
			check(t, err, "wrong_type", message(found))
		}
	}
}

func TestEveryWarehouseField(t *testing.T) {
	base := map[string]string{"id": "185"}
	for _, c := range Warehouses().Columns[1:] {
		base[c.Name] = `"x"`
	}
	answer := func(w string) string { return `{"warehouses":[{"id":1,"name":"","line1":""},` + w + `],"id":7}` }
	for _, c := range Warehouses().Columns {
		who, expected := "user 7, warehouse 185", "a string"
		if c.Name == "id" {
			who, expected = "user 7, warehouse at index 1", "an integer"
		}
		message := func(found string) string {
			return fmt.Sprintf("%s, field %s: expected %s, found %s", who, c.Name, expected, found)
		}
		for value, found := range map[string]string{"": "nothing", "null": "null"} {
			rows, err := warehousesFrom(answer(object(t, base, c.Name, value)))
			if c.Required {
				check(t, err, "missing_field", message(found))
			} else if err != nil || rows[1][Warehouses().Index(c.Name)] != nil {
				t.Errorf("%s %s: %v, %v", c.Name, found, rows, err)
			}
		}
		for value, found := range wrongValues {
			if found == "a string" && c.Name != "id" || found == "a number" && c.Name == "id" {
				continue
			}
			_, err := warehousesFrom(answer(object(t, base, c.Name, value)))
			check(t, err, "wrong_type", message(found))
		}
	}
}

func TestShapeOfWarehouses(t *testing.T) {
	for text, want := range map[string]struct{ code, detail string }{
		`[]`:                            {"wrong_type", "user 7: expected an object, found an array"},
		`null`:                          {"wrong_type", "user 7: expected an object, found null"},
		`{"id":7}`:                      {"missing_field", "user 7, field warehouses: expected an array, found nothing"},
		`{"id":7,"warehouses":null}`:    {"missing_field", "user 7, field warehouses: expected an array, found null"},
		`{"id":7,"warehouses":{}}`:      {"wrong_type", "user 7, field warehouses: expected an array, found an object"},
		`{"id":7,"warehouses":[185]}`:   {"wrong_type", "user 7, warehouse at index 0: expected an object, found a number"},
		`{"id":7,"warehouses":[null]}`:  {"wrong_type", "user 7, warehouse at index 0: expected an object, found null"},
		`{"warehouses":[]}`:             {"missing_field", "user 7, field id: expected an integer, found nothing"},
		`{"warehouses":[],"id":null}`:   {"missing_field", "user 7, field id: expected an integer, found null"},
		`{"warehouses":[],"id":"7"}`:    {"wrong_type", "user 7, field id: expected an integer, found a string"},
		`{"warehouses":[],"id":8}`:      {"user_mismatch", "the warehouses of user 7 were asked for and those of user 8 came"},
		`{"warehouses":[}`:              {"invalid_json", `invalid JSON: byte 15: invalid character '}' at start of value`},
		`{"warehouses":[{"id":1,"name"`: {"invalid_json", `invalid JSON: the answer ends at byte 29, expected the rest of an object`},
	} {
		_, err := warehousesFrom(text)
		check(t, err, want.code, want.detail)
	}
	for text, found := range map[string]string{"[]": "an array", "null": "null", "7": "a number"} {
		_, err := userFrom(text)
		check(t, err, "wrong_type", "the user: expected an object, found "+found)
	}
}

func TestIdentifiers(t *testing.T) {
	const fraction, beyond = "a number with a fraction or an exponent", "a number beyond 64 bits"
	for id, want := range map[string]any{
		"0": int64(0), "-0": int64(0), "-5": int64(-5), "9223372036854775807": int64(9223372036854775807),
		"1.0": fraction, "1e3": fraction, "1.5": fraction,
		"9223372036854775808": beyond, "-9223372036854775809": beyond, "123456789012345678901234567890": beyond,
	} {
		row, err := userFrom(`{"id":` + id + `,"username":"","email":"","employee_id":"","first_name":"","last_name":""}`)
		if found, wrong := want.(string); wrong {
			check(t, err, "wrong_type", "the user, field id: expected an integer, found "+found)
		} else if err != nil || row[0] != want {
			t.Errorf("%s: got %v, %v", id, row, err)
		}
	}
}

func TestTolerance(t *testing.T) {
	row, err := userFrom(`{"id":true,"username":5,"email":null,"profiles":[{"a":[{"id":9,"username":"no"}]}],
		"id":7,"username":"a\u0000b","email":"\ud83d","employee_id":"","first_name":"\ud83d\ude00","last_name":"l","ID":9}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{int64(7), "a\x00b", "\uFFFD", "", "😀", "l"}
	for i := range want {
		if row[i] != want[i] {
			t.Errorf("column %d: got %q, want %q", i, row[i], want[i])
		}
	}
}

func TestTooManyWarehouses(t *testing.T) {
	answer := func(n int) string {
		return `{"warehouses":[` + strings.TrimSuffix(strings.Repeat(`{"id":1,"name":"","line1":""},`, n), ",") + `],"id":7}`
	}
	if _, err := warehousesFrom(answer(maxWarehouses)); err != nil {
		t.Error(err)
	}
	if _, err := warehousesFrom(answer(maxWarehouses + 1)); fault.CodeOf(err) != "answer_too_large" || fault.KindOf(err) != fault.TooLarge {
		t.Errorf("got %v", err)
	}
}

func TestGrant(t *testing.T) {
	for text, want := range map[string]string{
		`{"access_token":"t","expires_in":3600}`:             "1h0m0s",
		`{"access_token":"t","expires_in":3600.5}`:           "1h0m0.5s",
		`{"access_token":"t","expires_in":1}`:                "1s",
		`{"access_token":"t","expires_in":0.0001}`:           "1s",
		`{"access_token":"t"}`:                               "5m0s",
		`{"access_token":"t","expires_in":0}`:                "5m0s",
		`{"access_token":"t","expires_in":-5}`:               "5m0s",
		`{"access_token":"t","expires_in":null}`:             "5m0s",
		`{"access_token":"t","expires_in":"3600"}`:           "5m0s",
		`{"access_token":"t","expires_in":{}}`:               "5m0s",
		`{"access_token":"t","expires_in":1e300}`:            "24h0m0s",
		`{"access_token":"t","expires_in":1e999}`:            "24h0m0s",
		`{"scope":["x"],"expires_in":60,"access_token":"t"}`: "1m0s",
	} {
		var g grant
		err := httpclient.DecodeJSON(strings.NewReader(text), func(d *jsontext.Decoder) (err error) {
			g, err = decodeGrant(d)
			return err
		})
		if err != nil || g.token != "t" || g.lifetime.String() != want {
			t.Errorf("%s: got %+v, %v", text, g, err)
		}
	}
	for text, want := range map[string]struct{ code, found string }{
		`{}`:                          {"missing_field", "nothing"},
		`{"access_token":null}`:       {"missing_field", "null"},
		`{"access_token":5}`:          {"wrong_type", "a number"},
		`{"access_token":""}`:         {"wrong_type", "a string that no header can carry"},
		`{"access_token":"ses\name"}`: {"wrong_type", "a string that no header can carry"},
	} {
		err := httpclient.DecodeJSON(strings.NewReader(text), func(d *jsontext.Decoder) error {
			_, err := decodeGrant(d)
			return err
		})
		check(t, err, want.code, "the token answer, field access_token: expected a string, found "+want.found)
	}
}

// classified tells whether a decoder's error is one that a person can act on.
func classified(t *testing.T, err error) {
	switch code := fault.CodeOf(err); code {
	case "invalid_json", "wrong_type", "missing_field", "user_mismatch", "answer_too_large":
	default:
		if err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func FuzzDecodeUser(f *testing.F) {
	seed(f, `{"id":7,"username":"","profiles":[{"id":1,"p":[{}]}],"email":"","employee_id":"","first_name":"","last_name":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		row, err := userFrom(text)
		classified(t, err)
		if err == nil && slices.Contains(row, nil) {
			t.Errorf("a required value is missing in %v", row)
		}
	})
}

func FuzzDecodeWarehouses(f *testing.F) {
	seed(f, `{"id":7,"warehouses":[{"id":1,"name":"","line1":"","fax":"\ud800"},{"id":1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := warehousesFrom(text)
		classified(t, err)
		seen := map[any]bool{}
		for _, row := range rows {
			if err == nil && (seen[row[0]] || row[1] == nil || row[2] == nil) {
				t.Errorf("rows %v", rows)
			}
			seen[row[0]] = true
		}
	})
}

func FuzzDecodeGrant(f *testing.F) {
	seed(f, `{"access_token":"t","expires_in":1e999}`)
	f.Fuzz(func(t *testing.T, text string) {
		err := httpclient.DecodeJSON(strings.NewReader(text), func(d *jsontext.Decoder) error {
			g, err := decodeGrant(d)
			if err == nil && (!sendable(g.token) || g.lifetime <= 0 || g.lifetime > maxLifetime) {
				t.Errorf("got %+v", g)
			}
			return err
		})
		classified(t, err)
	})
}

// seed adds text, spoilt forms of it and what fits no decoder. The seeds are
// small because the fuzzer spends its time on shrinking large ones.
func seed(f *testing.F, text string) {
	f.Helper()
	for _, s := range []string{text, text[:len(text)/2], text + "x", "", "null", "[]", "{", `{"id":1.0}`, "\xff", strings.Repeat("[", 50)} {
		f.Add(s)
	}
}

func BenchmarkDecodeUser(b *testing.B) {
	usual, err := os.ReadFile("testdata/users_me.json")
	if err != nil {
		b.Fatal(err)
	}
	const profile = `{"id":610,"permissions":[{"id":9003,"key":"pallet_list"},{"id":9006,"key":"dock_create"}]},`
	large := strings.Replace(string(usual), `"profiles": [`, `"profiles": [`+strings.Repeat(profile, 15<<20/len(profile)), 1)
	for name, text := range map[string]string{"usual": string(usual), "15MiB": large} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := userFrom(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
