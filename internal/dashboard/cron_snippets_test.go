package dashboard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"ferryman/internal/ledger"
)

func TestSnippets(t *testing.T) {
	t.Parallel()
	const url = "https://ferryman.example:8443"
	for _, kind := range []ledger.Kind{ledger.External, ledger.Sync} {
		for _, s := range snippetsFor(url, &ledger.Cron{Slug: "nightly-import", Kind: kind}) {
			if strings.Contains(s.Text, "{url}") || strings.Contains(s.Text, "{slug}") || !strings.Contains(s.Text, url) || !strings.Contains(s.Text, "nightly-import") {
				t.Errorf("%s: %s", s.Name, s.Text)
			}
			if s.ID == "go" {
				goSnippet(t, s.Text)
			}
		}
	}
}

// goSnippet checks that a program is one, and imports what it uses.
func goSnippet(t *testing.T, text string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "snippet.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]bool{}
	for _, i := range file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		imported[path[strings.LastIndexByte(path, '/')+1:]] = false
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if of, ok := n.(*ast.SelectorExpr); ok {
			// A name that is declared nowhere in the file is that of a package.
			if name, ok := of.X.(*ast.Ident); ok && name.Obj == nil {
				if _, known := imported[name.Name]; !known {
					t.Errorf("%s is not imported", name.Name)
				}
				imported[name.Name] = true
			}
		}
		return true
	})
	for name, used := range imported {
		if !used {
			t.Errorf("%s is imported and not used", name)
		}
	}
}
