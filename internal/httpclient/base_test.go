package httpclient

import (
	"strings"
	"testing"

	"ferryman/internal/fault"
)

func TestParseBase(t *testing.T) {
	for text, wrong := range map[string]string{
		"https://api.example.com":       "",
		"http://127.0.0.1:8080/sandbox": "",
		"":                              "X_URL does not begin with http:// or https://",
		"api.example.com":               "X_URL does not begin with http:// or https://",
		"ftp://Sentinel":                "X_URL does not begin with http:// or https://",
		"https://":                      "X_URL names no host",
		"https://a:Sentinel@host":       "X_URL holds a user or a password",
		"https://host/?k=Sentinel":      "X_URL holds a query",
		"https://host/?":                "X_URL holds a query",
		"https://host/#Sentinel":        "X_URL holds a fragment",
		"https://host/%Sentinel":        "X_URL is not a URL",
	} {
		u, err := ParseBase("X_URL", text, "https://api.example.com")
		if wrong == "" {
			if err != nil || u.String() != text {
				t.Errorf("%s: got %v, %v", text, u, err)
			}
			continue
		}
		f := faultOf(t, err)
		if f.Kind != fault.Unconfigured || f.Detail != wrong || f.Hint != "set an address such as https://api.example.com" {
			t.Errorf("%s: got %+v", text, f)
		}
		if strings.Contains(causes(err), "Sentinel") {
			t.Errorf("%s: it is quoted in %v", text, err)
		}
	}
}
