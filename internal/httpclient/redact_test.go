package httpclient

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/fault"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func TestQuote(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIyMzMifQ.c2lnbmF0dXJl"
	for in, want := range map[string]string{
		"nothing secret here":                        "nothing secret here",
		"invalid token: expired":                     "invalid token: expired",
		"Bearer realm missing":                       "Bearer realm missing",
		"got Authorization: Bearer abcdefgh":         "got Authorization: Bearer ***",
		"got bearer 0123456789abcdef":                "got bearer ***",
		"jwt " + jwt + " refused":                    "jwt *** refused",
		`{"user":"ann","password":"a\"b","x":1}`:     `{"user":"ann","password":"***","x":1}`,
		`{"accessToken": "abc"}`:                     `{"accessToken": "***"}`,
		`{"access_token":"cut in the midd`:           `{"access_token":"***`,
		"see https://ann:pw@example.com/a?b=c&d=e#f": "see https://example.com/a?b=***&d=***#f",
		"GET /x?api_key=123 failed, token=abc":       "GET /x?api_key=*** failed, token=***",
		"is it true? a=b":                            "is it true? a=b",
	} {
		if got := (redactor{}).quote(in); got != want {
			t.Errorf("quote(%q)\ngot  %q\nwant %q", in, got, want)
		}
	}
}

// A text that holds a declared secret in any spelling is not quoted, wherever it
// stands there and however short it is.
func TestDeclaredSecretsNeverSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[ -~äß]{1,40}`).Draw(t, "secret")
		before := rapid.String().Draw(t, "before")
		after := rapid.String().Draw(t, "after")
		r := redactorOf(Request{Secrets: []string{secret}})
		for _, form := range spellings(secret) {
			if got := r.quote(before + form + after); got != withheld {
				t.Fatalf("%q is quoted as %q", before+form+after, got)
			}
		}
	})
}

// Passwords that are words of ours: nothing tells that they are passwords.
func TestShortAndCommonSecrets(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, r.FormValue("say"))
	}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	for _, secret := range []string{"auth", "p", "401"} {
		for say, want := range map[string]string{
			"":                             "",
			"no":                           ": no",
			"error 401: authority expired": ": " + withheld,
		} {
			r := request(t, "POST", srv.URL+"/api/v1/auth?say="+url.QueryEscape(say))
			r.Secrets = []string{secret}
			f := faultOf(t, c.Do(t.Context(), r, nil))
			if want := "POST " + srv.URL + "/api/v1/auth: 401 Unauthorized" + want; f.Detail != want {
				t.Errorf("%s: got  %s\nwant %s", secret, f.Detail, want)
			}
		}
	}
}

// A secret that the end of the part that is read cuts in half is not quoted.
func TestSnippetCutsNoSecretInHalf(t *testing.T) {
	secret := strings.Repeat("0123456789", 20)
	r := redactorOf(Request{Secrets: []string{secret}})
	// Blanks are dropped, so that the end of what is read is among what is quoted.
	for known := range len(secret) {
		text := strings.Repeat(" ", snippetRead-known) + secret
		if got := snippet(strings.NewReader(text), r); strings.ContainsAny(got, "0123456789") {
			t.Fatalf("%d bytes: %s", known, got)
		}
	}
}

// Every part of an exchange that an error may quote holds the secrets.
func TestNoSecretInAnyError(t *testing.T) {
	const bearer, declared, password, key = "bearer-Sentinel1", "declared\"<Sentinel2>", "url-Sentinel3", "key-Sentinel4"
	echo := func(w http.ResponseWriter, r *http.Request) {
		for _, v := range []string{r.Header.Get("Authorization"), bearer, declared, url.QueryEscape(declared), jsonText(declared, true), r.RequestURI} {
			_, _ = io.WriteString(w, v+"\n")
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/refused/", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		echo(w, r)
	})
	mux.HandleFunc("/redirect/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/"+url.PathEscape(declared)+"/"+bearer+"?q="+declared)
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/html/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; x="+bearer)
		echo(w, r)
	})
	mux.HandleFunc("/json/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"`+bearer+`": x}`)
	})
	mux.HandleFunc("/raw/", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "Bearer "+bearer+" "+declared+"\r\n\r\n")
		_ = conn.Close()
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c := New(Options{})
	defer c.Close()

	for _, path := range []string{"refused", "redirect", "html", "json", "raw", "gone"} {
		r := request(t, "GET", srv.URL+"/"+path+"/?k="+key)
		r.URL.User = url.UserPassword("me", password)
		r.Bearer, r.Secrets = bearer, []string{declared, key}
		err := c.JSON(context.Background(), r, skip)
		if err == nil {
			t.Fatalf("%s: no error", path)
		}
		f := faultOf(t, err)
		for _, text := range []string{err.Error(), f.Detail, f.Hint, causes(err)} {
			if strings.Contains(text, "Sentinel") {
				t.Errorf("%s: %s", path, text)
			}
		}
	}

	// The cause of a callback's error may quote the answer as well.
	r := request(t, "GET", srv.URL+"/json/")
	r.Bearer = bearer
	err := c.Do(context.Background(), r, func(*Answer) error {
		return &fault.Error{Detail: "found something", Err: errors.New("because of " + bearer)}
	})
	if strings.Contains(err.Error(), "Sentinel") {
		t.Error(err)
	}
}

// causes joins the texts of everything in err's chain.
func causes(err error) string {
	var all []string
	for ; err != nil; err = errors.Unwrap(err) {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}

func TestUnclassifiedErrorStaysTemporary(t *testing.T) {
	err := explain(errors.New("odd"), request(t, "GET", "http://127.0.0.1/x"), redactor{})
	if !fault.Temporary(err) || err.Error() != "GET http://127.0.0.1/x: odd" {
		t.Errorf("got %v", err)
	}
}
