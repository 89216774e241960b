package campaign

import (
	"bytes"
	"encoding/json"
	"strings"
)

// nastyEvery is how often a contact of one sort comes again.
const nastyEvery = 64

// nasty is a sort of contact that is unlike others. In its JSON {id} is put to be
// an id that no other contact has, and {fired} the time of the first transaction.
type nasty struct {
	name        string
	values      []value // instead of the ordinary ones; "" leaves the key out
	connections string  // in front of those of the first transaction, each with a comma behind it
	before      string  // transactions in front of the others, likewise
	after       string  // transactions behind the others, likewise
	spacious    bool    // written with line breaks and blanks
}

type value struct{ key, json string }

func (n *nasty) has(key string) bool {
	for i := range n.values {
		if n.values[i].key == key {
			return true
		}
	}
	return false
}

// spread writes JSON over many lines.
func spread(text []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "\t"); err != nil {
		return text // it is ours, and is JSON
	}
	return b.Bytes()
}

// Names that a database finds hard to take.
var nastyNames = [...]string{
	"Kunde", "kunde", "KUNDE", `quoted "name"`, "`backticks`", "[brackets]", "it's", "dotted.name.here", "two words", "Größe ÄÖÜ ß",
	"semi;colon --", `back\slash`, "100%", "select", "smile 😀", "trailing ",
	"A name of exactly eighty characters, which is more than most databases allow #01",
	"A name of exactly eighty characters, which is more than most databases allow #02",
}

// anythingField is a field of numbers that holds texts as well.
const anythingField = "Menge (Stück)"

func nastyFields() []field {
	yes, no := true, false
	list := []field{
		{Type: customField, FieldType: numberField, Name: anythingField, State: "active", Deleted: &no},
		{Type: customField, FieldType: textField, Name: "Altes Feld", State: "inactive", Deleted: &yes},
		{Type: customField, FieldType: textField, Name: "Wieder da", State: "inactive", Deleted: &yes},
		{Type: customField, FieldType: textField, Name: "Wieder da", State: "active"},
		{Type: "system", FieldType: textField, Name: "$phone", State: "active"},
		{Type: "task_variable", FieldType: numberField, Name: "attempts"},
		{Type: customField, FieldType: "date", Name: "Termin", State: "active"},
		{Type: customField, Name: "Ohne Art", State: "active"},
	}
	for _, name := range nastyNames {
		list = append(list, field{Type: customField, FieldType: textField, Name: name, State: "active", Deleted: &no})
	}
	return list
}

// nasties are the sorts, in the order of the contacts that are of them.
func nasties() []nasty {
	every := make([]value, 0, len(nastyNames))
	for _, name := range nastyNames {
		every = append(every, value{name, string(quote("value of " + name))})
	}
	long := func(n int) string {
		return `"` + strings.Repeat("Lange Täler, ", n/13) + strings.Repeat("x", n%13) + `"`
	}
	connection := `"started":"{fired}","disconnected":"{fired}","technology":"sip"`
	list := []nasty{
		{name: "texts of 51", values: []value{{"$phone", long(51)}, {"$source", long(51)}, {"$task", long(51)}, {"Firma", long(51)}}},
		{name: "texts of 101", values: []value{{"$status_detail", long(101)}, {"$recording", long(101)}, {"$owner", long(101)}}},
		{name: "texts of 300", values: []value{
			{"$recording_url", `"https://records.dialers.example/a.mp3?signature=` + strings.Repeat("abcdef012345", 25) + `"`},
			{"$caller_id", long(300)}, {"$error", long(300)}, {"Ort", long(300)},
		}},
		{name: "texts of 70,000", values: []value{{"$comment", long(70_000)}, {"Vertrag", long(70_000)}}},
		{name: "odd characters", values: []value{
			{"$comment", `"Ünïcödé 😀 \ud83d\ude80 \"quoted\" 'single' \\ back\/slash \n\r\t \u2028 <b>&amp;</b> %s $1 ?"`},
			{"$source", `"Robert'); DROP TABLE contacts;--"`}, {"Firma", `"\\"`}, {"Ort", `"\"\"'"`},
		}},
		{name: "NUL", values: []value{{"$comment", `"a\u0000b"`}, {"$source", `"\u0000"`}, {"Firma", `"\u0000\u0000end"`}}},
		{name: "lone surrogates", values: []value{
			{"$comment", `"high \ud83d, low \ude00, turned \ude00\ud83d."`}, {"$source", `"\udfff"`}, {"Firma", `"\ud800\u0041"`},
		}},
		{name: "empty texts", values: []value{
			{"$phone", `""`}, {"$status_detail", `""`}, {"$comment", `""`}, {"$follow_up_date", `""`}, {"Firma", `""`}, {"Umsatz", `""`}, {"Termin", `""`},
		}},
		{name: "numbers as texts", values: []value{
			{"$phone", `4930123456`}, {"$owner", `-7`}, {"Firma", `3092.44`}, {"Ort", `2E5`}, {"Umsatz", `"3092.44"`}, {"Feld_014", `"2E5"`},
		}},
		{name: "numbers", values: []value{{"Umsatz", `3092.44`}, {"Feld_014", `2E5`}, {"Feld_019", `-0.1`}, {"Feld_024", `1.50`}, {"Feld_029", `1e-7`}}},
		{name: "large numbers", values: []value{
			{"Umsatz", `12345678901234567890.123`}, {"Feld_014", `9223372036854775808`}, {"Feld_019", `-98765432109876543210`}, {"Ort", `12345678901234567890.123`},
		}},
		{name: "booleans", values: []value{{"$status", `true`}, {"Firma", `false`}, {"Ort", `true`}, {anythingField, `true`}}},
		{name: "objects and lists", values: []value{
			{"$caller_id", `{"number": "+49 800", "name": "Zentrale \"Nord\""}`}, {"$error", `[1, 2.50, null, {"a": []}]`},
			{"Firma", `{ }`}, {"Ort", `[ ]`}, {anythingField, `{"pieces": 12}`},
		}},
		{name: "nulls", values: []value{
			{"$ref", `null`}, {"$status", `null`}, {"$phone", `null`}, {"$comment", `null`}, {"Firma", `null`}, {"Umsatz", `null`}, {anythingField, `null`},
		}},
		{name: "absent keys", values: []value{{"$ref", ""}, {"$status", ""}, {"$comment", ""}, {"$error", ""}, {"Firma", ""}, {"Umsatz", ""}, {"Ort", ""}}},
		{name: "log null", values: []value{{taskLog, `null`}}},
		{name: "log absent", values: []value{{taskLog, ""}}},
		{name: "log empty", values: []value{{taskLog, `[]`}}},
		{name: "transactions null", values: []value{{taskLog, `[{"transactions":null},{},{"transactions":[{"fired":"2019-01-01T00:00:00.000Z","connections":null}]}]`}}},
		{name: "no fired", after: `{"type":"update","task":"fc_lead"},{"fired":null,"type":"update","task":"qc_check","user":"ewa.lis"},{"fired":"","type":"dial"},`},
		{name: "the same fired twice", before: `{"fired":"{fired}","type":"update","task":"fc_lead","status":"earlier"},`},
		{name: "never disconnected", connections: `{"id":"{id}-1","started":"{fired}","recordings":[{"location":"https://never.example/1.mp3"}]},` +
			`{"id":"{id}-2","disconnected":null,"third_party_connections":[{"id":"{id}-3",` + connection + `}]},`},
		{name: "numbers as ids", connections: `{"id":4711,` + connection + `,"recordings":[{"location":"https://never.example/2.mp3"}]},{"id":null,` + connection + `},{` + connection + `},`},
		{name: "no location", connections: `{"id":"{id}-1",` + connection + `,"recordings":[{"started":"{fired}","filename":"a.mp3"},{"started":"2019-02-01T00:00:00.000Z","location":null,"filename":"b.mp3"}]},`},
		{name: "neither location nor started", connections: `{"id":"{id}-1",` + connection + `,"recordings":[{"filename":"a.mp3"},{"location":null,"started":null},{"location":"https://one.example/a.mp3"}]},`},
		{name: "transfers", connections: `{"id":"{id}-1",` + connection + `},{"id":"{id}-2","started":"{fired}","disconnected":"{fired}","technology":"transfer"},` +
			`{"id":"{id}-3","started":"{fired}","disconnected":null,"technology":"sip"},{"id":"{id}-4","disconnected":"{fired}","technology":"transfer"},`},
		{name: "first a transfer", after: `{"fired":"2019-01-02T00:00:00.000Z","type":"update","connections":[{"id":"{id}-1","disconnected":"{fired}","technology":"transfer"}]},`},
		{name: "third parties", connections: `{"id":"{id}-1",` + connection + `,"isThirdPartyConnection":false,"recordings":[{"location":"https://one.example/{id}.mp3"}],` +
			`"third_party_connections":[{"id":"{id}-2",` + connection + `,"isThirdPartyConnection":true,"recordings":[{"location":"https://one.example/{id}.mp3"}],` +
			`"third_party_connections":[{"id":"{id}-3",` + connection + `,"isThirdPartyConnection":true}]},{"id":"{id}-4","isThirdPartyConnection":true},{"id":"{id}-5",` + connection + `}]},`},
		{name: "texts as numbers", values: []value{{anythingField, `"n/a"`}}},
		{name: "more texts as numbers", values: []value{{anythingField, `"12.5"`}, {"Umsatz", `""`}, {"Feld_014", `"7"`}}},
		{name: "booleans as they come", after: `{"fired":"2019-01-03T00:00:00.000Z","isHI":"true","revoked":1},{"fired":"2019-01-03T00:00:01.000Z","isHI":0,"revoked":"0"},` +
			`{"fired":"2019-01-03T00:00:02.000Z","isHI":"","revoked":null},{"fired":"2019-01-03T00:00:03.000Z","isHI":"1","revoked":"false"},`},
		{name: "durations as they come", after: `{"fired":"2019-01-04T00:00:00.000Z","pause_time_sec":"12","edit_time_sec":"","wrapup_time_sec":1.5,` +
			`"connections":[{"id":"{id}-1","disconnected":"{fired}","duration":"31","code":null,"call_uuid":17,"global_call_uuid":{"a":1}}]},`},
		{name: "a number as version", values: []value{{"$version", `2`}}},
		{name: "unknown keys", values: []value{
			{"$not_a_column", `"x"`}, {"Altes Feld", `"deleted"`}, {"Wieder da", `"live"`}, {"attempts", `5`}, {"Termin", `"2019-05-06"`}, {"Ohne Art", `"none"`},
			{"firma", `"not Firma"`}, {"nobody's", `{"a":1}`},
		}},
		{name: "line breaks", spacious: true},
		{name: "all the names", values: every},
		{name: "for filters", after: `{"fired":"2019-01-05T00:00:00.000Z"},{"fired":"2019-01-05T00:00:01.000Z","type":null,"task":null,"user":"ewa.lis"},` +
			`{"fired":"2019-01-05T00:00:02.000Z","type":"update","task":"fc_lead","user":"ewa.lis","status_detail":"$assigned"},` +
			`{"fired":"2019-01-05T00:00:03.000Z","type":"update","task":"FC_lead","user":"ewa.lis"},` +
			`{"fired":"2019-01-05T00:00:04.000Z","type":"dial","task":"fc_lead","user":""},{"fired":"2019-01-05T00:00:05.000Z","type":"update","user":null},`},
		{name: "a long location", connections: `{"id":"{id}-1",` + connection + `,"transfer_target_address":` + long(80) +
			`,"global_call_uuid":` + long(200) + `,"recordings":[{"filename":` + long(150) + `,"location":"https://one.example/ä?x=` + strings.Repeat("0123456789", 120) + `"}]},`},
	}
	return list
}

// oddCalls are the ends of inbound calls that are unlike others.
var oddCalls = [...]string{
	`,"connectable_time":1.5,"disposition":null,"dispatch_error":true`,
	`,"connectable_time":"","disposition":"😀 \"q\"","dispatch_error":"false"`,
	`,"disposition":"a\u0000b","dispatch_error":null`,
	`,"connectable_time":null,"disposition":{"code": 7},"dispatch_error":1`,
	`,"connectable_time":2E5,"disposition":true,"unknown":[1, 2]`,
}
