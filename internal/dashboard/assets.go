package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// webFS holds the templates, and in static what pages load.
//
//go:embed web
var webFS embed.FS

// asset is a file that pages load. Its name has a digest of what it holds, so that
// browsers keep it for ever.
type asset struct {
	mime   string
	plain  []byte
	zipped []byte
}

// assets are the files of web/static.
type assets struct {
	byName map[string]asset  // with the digest
	names  map[string]string // that name, by the file's own
}

// mimes are literal: what the system knows of types may be wrong, and browsers would
// load nothing then.
var mimes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func loadAssets() (assets, error) {
	a := assets{byName: map[string]asset{}, names: map[string]string{}}
	files, err := fs.ReadDir(webFS, "web/static")
	if err != nil {
		return assets{}, err
	}
	for _, f := range files {
		plain, err := webFS.ReadFile("web/static/" + f.Name())
		if err != nil {
			return assets{}, err
		}
		sum := sha256.Sum256(plain)
		ext := path.Ext(f.Name())
		name := strings.TrimSuffix(f.Name(), ext) + "-" + hex.EncodeToString(sum[:6]) + ext
		a.byName[name] = asset{mime: mimes[ext], plain: plain, zipped: zip(plain, gzip.BestCompression)}
		a.names[f.Name()] = name
	}
	return a, nil
}

// zip compresses, by one of the levels that there are.
func zip(plain []byte, level int) []byte {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, level)
	_, _ = w.Write(plain) // memory takes it
	_ = w.Close()
	return buf.Bytes()
}

// path is where a page finds a file.
func (a assets) path(file string) string { return Root + "static/" + a.names[file] }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	f, found := a.byName[r.PathValue("file")]
	if !found {
		http.NotFound(w, r)
		return
	}
	h, text := w.Header(), f.plain
	h.Set("Content-Type", f.mime)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if takesZip(r) {
		h.Set("Content-Encoding", "gzip")
		text = f.zipped
	}
	_, _ = w.Write(text)
}

// takesZip tells whether the browser takes what is compressed.
func takesZip(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") }
