package httpapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"ferryman/api"
	"ferryman/internal/db/dbtest"
)

func TestDescriptionIsServed(t *testing.T) {
	h := open(t)
	if a := h.do("GET", "/openapi.yaml", ""); a.text != string(api.YAML()) {
		t.Error("another YAML")
	}
	want, err := api.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if a := h.do("GET", "/openapi.json", ""); a.text != string(want) {
		t.Error("another JSON")
	}
}

var loads = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

// TestPagesAreWhole follows everything that a page loads or leads to: it is
// there, and here.
func TestPagesAreWhole(t *testing.T) {
	clock := exampleClock()
	url := "sqlite://" + t.TempDir() + "/ferryman.db"
	h := moor(t, url, dbtest.Open(t, url, quick(clock)), clock, func(o *Options) { o.Version = `1<b>&"` })
	for _, path := range []string{"/docs", "/problems/not_found", "/problems/method_not_allowed"} {
		a := h.do("GET", path, "")
		if a.Header.Get("Content-Type") != htmlMIME || !strings.HasPrefix(a.text, "<!doctype html>") {
			t.Errorf("%s: %s", path, a.Header.Get("Content-Type"))
		}
		links := loads.FindAllStringSubmatch(a.text, -1)
		if len(links) == 0 {
			t.Errorf("%s leads nowhere", path)
		}
		for _, l := range links {
			if !strings.HasPrefix(l[1], "/") {
				t.Errorf("%s leads outside: %s", path, l[1])
			} else if there := h.do("GET", l[1], ""); there.StatusCode != http.StatusOK {
				t.Errorf("%s leads to %s: %d", path, l[1], there.StatusCode)
			}
		}
		if css := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(a.text); css != nil &&
			!strings.Contains(a.Header.Get("Content-Security-Policy"), hash([]byte(css[1]))) {
			t.Errorf("%s: the policy forbids the page's style", path)
		}
		if strings.Contains(a.text, "1<b>") || regexp.MustCompile(`<script>|\son[a-z]+=|style="`).MatchString(a.text) {
			t.Errorf("%s: something unescaped or inline: %s", path, a.text)
		}
	}
}

func TestFilesCompressed(t *testing.T) {
	h := open(t)
	plain := h.do("GET", "/docs/swagger-ui-bundle.js", "", "Accept-Encoding", "br, gzip;q=0")
	packed := h.do("GET", "/docs/swagger-ui-bundle.js", "", "Accept-Encoding", "br, gzip")
	if plain.Header.Get("Content-Encoding") != "" || packed.Header.Get("Content-Encoding") != "gzip" || len(packed.text) > len(plain.text)/2 {
		t.Errorf("%d bytes plain, %d packed", len(plain.text), len(packed.text))
	}
	zr, err := gzip.NewReader(bytes.NewReader([]byte(packed.text)))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(zr); err != nil || string(text) != plain.text {
		t.Errorf("packed and plain differ: %v", err)
	}
	if packed.Header.Get("Cache-Control") != assetCache || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("headers %v, %v", packed.Header, plain.Header)
	}
}
