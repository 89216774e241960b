package dialfire

import (
	"slices"
	"testing"
)

func TestFields(t *testing.T) {
	got, err := decodeFields([]byte(`[
		{"type":"field","fieldType":"text","name":"company","state":"active","deleted":false},
		{"type":"field","fieldType":"number","name":"Preis €"},
		{"type":"group","fieldType":"text","name":"no field"},
		{"fieldType":"text","name":"of no type"},
		{"type":"field","fieldType":"text","name":"gone","deleted":true},
		{"type":"field","fieldType":"text","name":"gone, too","deleted":"true"},
		{"type":"field","fieldType":"text","name":"company"},
		{"type":"field","fieldType":"number","name":"company","deleted":null},
		{"type":"field","name":"\ud83d\u0000"},
		{"deleted":null,"name":"COMPANY","fieldType":{"a":[1]},"type":"field","more":[{"type":"field","name":"below"}]},
		{"type":"field","name":""}, {"type":"field"}, {"type":"field","name":null}, {"type":"field","name":["list"]},
		null, 5, "field", ["type"]
	]`))
	want := []Field{{Name: "company"}, {Name: "Preis €", Number: true}, {Name: "\uFFFD\uFFFD"}, {Name: "COMPANY"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := decodeFields([]byte(`[]`)); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}
