package httpclient

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
)

func skip(d *jsontext.Decoder) error { return d.SkipValue() }

func TestDecodeJSON(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string // of the error; "" is none
	}{
		"object":             {`{"a":[1,"b",null]}`, ""},
		"white space":        {" \n{}\n ", ""},
		"a name twice":       {`{"a":1,"a":2}`, ""},
		"lone surrogate":     {`"\ud800"`, ""},
		"invalid UTF-8":      {"\"a\xff\"", ""},
		"NUL":                {`"\u0000"`, ""},
		"deep":               {strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), ""},
		"too deep":           {strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "invalid JSON: byte 10000: exceeded max depth"},
		"nothing":            {"", "invalid JSON: the answer is empty, expected a JSON value at byte 0"},
		"only space":         {"  ", "invalid JSON: the answer is empty, expected a JSON value at byte 0"},
		"a page":             {"<html>", "invalid JSON: byte 0: invalid character '<' at start of value"},
		"cut in an object":   {`{"a":{"b":1,`, `invalid JSON: the answer ends at byte 12, expected the rest of an object`},
		"cut in a string":    {`{"a":["bcd`, `invalid JSON: the answer ends at byte 10, expected the rest of `},
		"cut in a literal":   {`[tru`, `invalid JSON: the answer ends at byte 4, expected the rest of `},
		"a comma too many":   {`{"a":1,}`, `invalid JSON: byte 6`},
		"no colon":           {`{"a" 1}`, `invalid JSON: byte 5`},
		"control in string":  {"\"a\nb\"", "invalid JSON: byte 2"},
		"trailing value":     {`{} {}`, "invalid JSON: byte 2: expected the end of the answer, found more after the JSON value"},
		"trailing rubbish":   {`{}x`, "invalid JSON: byte 2: expected the end of the answer, found more after the JSON value"},
		"trailing rest":      {`{}}`, "invalid JSON: byte 2: expected the end of the answer, found more after the JSON value"},
		"trailing cut value": {`{}{"a`, "invalid JSON: byte 2: expected the end of the answer, found more after the JSON value"},
	} {
		t.Run(name, func(t *testing.T) {
			err := DecodeJSON(iotest.HalfReader(strings.NewReader(c.text)), skip)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f := faultOf(t, err); f.Kind != fault.Invalid || f.Code != "invalid_json" || !strings.HasPrefix(f.Detail, c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestDecodeJSONPassesOtherErrorsOn(t *testing.T) {
	broken := &fault.Error{Kind: fault.Unavailable, Code: "truncated"}
	reader := io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(broken))
	if err := DecodeJSON(reader, skip); fault.CodeOf(err) != "truncated" {
		t.Errorf("a reader's error became %v", err)
	}
	reader = io.MultiReader(strings.NewReader(`{}`), iotest.ErrReader(broken))
	if err := DecodeJSON(reader, skip); fault.CodeOf(err) != "truncated" {
		t.Errorf("a reader's error after the value became %v", err)
	}
	own := errors.New("own")
	if err := DecodeJSON(strings.NewReader("{}"), func(*jsontext.Decoder) error { return own }); !errors.Is(err, own) {
		t.Errorf("decode's error became %v", err)
	}
}

func TestContentType(t *testing.T) {
	for kind, wantCode := range map[string]string{
		"application/json":                "",
		"application/json; charset=utf-8": "",
		"Application/JSON":                "",
		"application/problem+json":        "",
		"text/json":                       "",
		"text/plain; charset=utf-8":       "",
		"":                                "",
		"text/html":                       "not_json",
		"text/html; charset=utf-8":        "not_json",
		"text/html; charset":              "not_json",
		"application/xml":                 "not_json",
		"image/png":                       "not_json",
		"nonsense; ; ;":                   "not_json",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "application/json" {
				t.Errorf("Accept is %q", r.Header.Get("Accept"))
			}
			w.Header()["Content-Type"] = nil
			if kind != "" {
				w.Header().Set("Content-Type", kind)
			}
			_, _ = io.WriteString(w, "{}")
		}))
		c := New(Options{Settings: Settings{Address: "API_BASE_URL"}})
		err := c.JSON(t.Context(), request(t, "GET", srv.URL), skip)
		if (err == nil) != (wantCode == "") || err != nil && fault.CodeOf(err) != wantCode {
			t.Errorf("%q: got %v", kind, err)
		}
		c.Close()
		srv.Close()
	}
}

func TestLoginPage(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>\n <title>Log in</title>")
	}))
	defer srv.Close()
	c := New(Options{Settings: Settings{Address: "API_BASE_URL"}})
	defer c.Close()
	f := faultOf(t, c.JSON(t.Context(), request(t, "GET", srv.URL+"/me"), skip))
	if want := "GET " + srv.URL + "/me: expected JSON, found text/html: <html> <title>Log in</title>"; f.Detail != want {
		t.Errorf("got  %s\nwant %s", f.Detail, want)
	}
	if f.Kind != fault.Invalid || !strings.Contains(f.Hint, "API_BASE_URL") {
		t.Errorf("got %+v", f)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{"", "{}", `{"a":[1,2,{"b":null}]}`, `"\ud800"`, "[[[", `{"a":1}x`, "\xff", `{"a`, "1e999"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := DecodeJSON(strings.NewReader(string(text)), skip)
		if err != nil && fault.CodeOf(err) != "invalid_json" {
			t.Errorf("unclassified: %v", err)
		}
	})
}
