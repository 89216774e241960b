package canary_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ferryman/internal/e2e/canary"
)

func TestFindsEveryForm(t *testing.T) {
	const secret = `s3cret/"of<the>+ferry&man\é`
	var s canary.Search
	if !s.Add("the password", secret) {
		t.Fatal("it is passed over")
	}
	quoted, err := json.Marshal(map[string]string{"a": "x" + secret + "y"})
	if err != nil {
		t.Fatal(err)
	}
	basic := &http.Request{Header: http.Header{}}
	var page strings.Builder
	if err := template.Must(template.New("").Parse(`<p title="{{.}}">{{.}}</p>`)).Execute(&page, secret); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"plain": secret, "quoted": string(quoted), "Go's quotes": fmt.Sprintf("%q", `s3cret/"of<the>+ferry&man\é`),
		"a query": url.Values{"q": {secret}}.Encode(), "a path": "/x/" + url.PathEscape(secret) + "/y",
		"HTML": html.EscapeString(secret), "a template": page.String(), "hexadecimal": hex.EncodeToString([]byte(secret)),
		"a URL": (&url.URL{Scheme: "https", User: url.UserPassword("u", secret), Host: "h"}).String(),
	}
	for _, user := range []string{"", "a", "ab", "abc", "abcd"} {
		basic.SetBasicAuth(user, secret)
		texts["basic authentication of "+user] = basic.Header.Get("Authorization")
		texts["base64 for URLs after "+user] = base64.URLEncoding.EncodeToString([]byte(user + secret + "tail"))
	}
	for name, text := range texts {
		for _, around := range []string{"%s", "before %s", "%s after", "before %s after"} {
			hits := s.Find(fmt.Sprintf(around, text))
			if len(hits) == 0 || hits[0].Name != "the password" {
				t.Errorf("%s: not found in %q", name, fmt.Sprintf(around, text))
			}
			if strings.Contains(fmt.Sprint(hits), "s3cret") {
				t.Error("the hit holds the secret")
			}
		}
	}
}

func TestFindsNothingElse(t *testing.T) {
	var s canary.Search
	s.Add("one", "correct horse battery")
	for _, text := range []string{"", "correct", "correct horse", "correct horse batterx", "fm_01234567", "fm_short", "whsec_********", "-----BEGIN CERTIFICATE-----"} {
		if hits := s.Find(text); len(hits) != 0 {
			t.Errorf("%q: %v", text, hits)
		}
	}
	if s.Add("short", "password") {
		t.Error("a word is taken for a secret")
	}
}

func TestKnowsLooks(t *testing.T) {
	var s canary.Search
	for text, want := range map[string]string{
		"key=fm_" + strings.Repeat("0a", 20) + " made": "an API key", "whsec_" + strings.Repeat("A", 43) + "=": "a signing secret",
		"whsec_" + strings.Repeat("A&#43;", 20): "a signing secret", "-----BEGIN EC PRIVATE KEY-----": "a private key",
	} {
		if hits := s.Find("x " + text); len(hits) != 1 || hits[0].Name != want {
			t.Errorf("%s: %v", want, hits)
		}
	}
}
