package httpapi

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/swaggest/swgui/v5/static"

	"ferryman/api"
)

// docs is the description in its forms, and the files that make it browsable.
type docs struct {
	yaml, json []byte
	files      map[string]docsFile
}

// docsFile is a file of the description's page; gzipped if it is large.
type docsFile struct {
	mime    string
	content []byte
	gzipped bool
}

// docsPolicy keeps the page to this server. Swagger UI draws with data: images,
// and needs neither inline scripts and styles nor eval.
const docsPolicy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const assetCache = "max-age=3600"

func loadDocs() (docs, error) {
	d := docs{yaml: api.YAML(), files: map[string]docsFile{}}
	var err error
	if d.json, err = api.JSON(); err != nil {
		return docs{}, err
	}
	for _, f := range []struct {
		from       fs.FS
		path, name string
		mime       string
	}{
		{static.FS, "swagger-ui.css.gz", "swagger-ui.css", "text/css; charset=utf-8"},
		{static.FS, "swagger-ui-bundle.js.gz", "swagger-ui-bundle.js", "text/javascript; charset=utf-8"},
		{webFS, "web/docs.js", "docs.js", "text/javascript; charset=utf-8"},
		{webFS, "web/docs.css", "docs.css", "text/css; charset=utf-8"},
		{webFS, "web/icon.svg", "icon.svg", "image/svg+xml"},
	} {
		content, err := fs.ReadFile(f.from, f.path)
		if err != nil {
			return docs{}, fmt.Errorf("load the description's page: %w", err)
		}
		d.files[f.name] = docsFile{mime: f.mime, content: content, gzipped: strings.HasSuffix(f.path, ".gz")}
	}
	return d, nil
}

func (s *Server) openapiYAML(*http.Request) (reply, error) {
	return reply{mime: "application/yaml; charset=utf-8", body: s.docs.yaml}, nil
}

func (s *Server) openapiJSON(*http.Request) (reply, error) {
	return reply{body: s.docs.json}, nil
}

func (s *Server) docsPage(*http.Request) (reply, error) {
	out, err := s.pages.render("docs.html", nil)
	out.policy = docsPolicy
	return out, err
}

func (s *Server) docsFile(r *http.Request) (reply, error) {
	f, found := s.docs.files[r.PathValue("file")]
	if !found {
		return reply{}, errNoPath
	}
	out := reply{mime: f.mime, body: f.content, cache: assetCache, vary: "Accept-Encoding"}
	switch {
	case f.gzipped && takesGzip(r):
		out.coding = "gzip"
	case f.gzipped:
		zr, err := gzip.NewReader(bytes.NewReader(f.content))
		if err != nil {
			return reply{}, fmt.Errorf("unpack %s: %w", r.PathValue("file"), err)
		}
		if out.body, err = io.ReadAll(zr); err != nil {
			return reply{}, fmt.Errorf("unpack %s: %w", r.PathValue("file"), err)
		}
	}
	return out, nil
}

func takesGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if name == "gzip" {
			return strings.TrimSpace(q) != "q=0"
		}
	}
	return false
}
