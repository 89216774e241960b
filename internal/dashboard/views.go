package dashboard

import (
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
)

// views are the templates, by the page's name. Each is web/layout.html and
// web/parts.html with one page in it.
type views map[string]*template.Template

func loadViews(a assets) (views, error) {
	base, err := template.New("layout").Funcs(functions(a)).ParseFS(webFS, "web/layout.html", "web/parts.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(webFS, "web/*.html")
	if err != nil {
		return nil, err
	}
	all := views{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			all[name], err = t.ParseFS(webFS, file)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (v views) execute(w io.Writer, name string, f frame) error {
	t, found := v[name]
	if !found {
		return fmt.Errorf("there is no page %s", name)
	}
	return t.ExecuteTemplate(w, "layout", f)
}
