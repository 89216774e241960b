package browser

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ferryman/internal/dashboard"
)

// source is what the dashboard is made of.
var source = filepath.Join("..", "..", "dashboard")

// listed are the patterns of the dashboard's pages, or of all that can be done on them,
// below dashboard.Root, as its source lists them: each of the lists that its method
// pages or actions joins.
func listed(t testing.TB, what string) []string {
	t.Helper()
	sources, err := parser.ParseDir(token.NewFileSet(), source, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // all files of the folder are wanted
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string]*ast.FuncDecl{}
	for _, file := range sources["dashboard"].Files {
		for _, d := range file.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv != nil && gives(f, strings.TrimSuffix(what, "s")) {
				lists[f.Name.Name] = f
			}
		}
	}
	var all []string
	joined := 0
	ast.Inspect(lists[what].Body, func(n ast.Node) bool {
		if s, is := n.(*ast.SelectorExpr); is && lists[s.Sel.Name] != nil {
			joined++
			all = append(all, patterns(t, lists[s.Sel.Name])...)
		}
		return true
	})
	if joined != len(lists)-1 {
		t.Fatalf("%d lists of %s are joined, and there are %d", joined, what, len(lists)-1)
	}
	return all
}

// gives tells whether a method gives a slice of that.
func gives(f *ast.FuncDecl, what string) bool {
	if f.Type.Results.NumFields() != 1 {
		return false
	}
	list, is := f.Type.Results.List[0].Type.(*ast.ArrayType)
	if !is {
		return false
	}
	name, is := list.Elt.(*ast.Ident)
	return is && name.Name == what
}

// patterns are the first fields of what a method returns.
func patterns(t testing.TB, f *ast.FuncDecl) []string {
	t.Helper()
	values := map[string]string{"Root": dashboard.Root}
	var all []string
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			values[n.Lhs[0].(*ast.Ident).Name] = text(t, n.Rhs[0], values)
			return false
		case *ast.CompositeLit:
			if n.Type != nil { // the list itself
				return true
			}
			first := n.Elts[0]
			if named, is := first.(*ast.KeyValueExpr); is {
				first = named.Value
			}
			all = append(all, strings.TrimPrefix(text(t, first, values), dashboard.Root))
			return false
		}
		return true
	})
	if len(all) == 0 {
		t.Fatalf("%s lists nothing in a way that is understood here", f.Name.Name)
	}
	return all
}

// text is the value of an expression that joins texts.
func text(t testing.TB, e ast.Expr, values map[string]string) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		if v, err := strconv.Unquote(e.Value); err == nil {
			return v
		}
	case *ast.Ident:
		if v, known := values[e.Name]; known {
			return v
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return text(t, e.X, values) + text(t, e.Y, values)
		}
	}
	t.Fatalf("a pattern is made in a way that is not understood here: %T", e)
	return ""
}

// router tells of which page or action a path is; "" is none.
func router(t testing.TB, what string) func(path string) (pattern string) {
	t.Helper()
	mux := http.NewServeMux()
	for _, pattern := range listed(t, what) {
		mux.Handle(dashboard.Root+pattern, http.NotFoundHandler())
	}
	return func(path string) string {
		_, found := mux.Handler(httptest.NewRequest(http.MethodGet, path, http.NoBody))
		return strings.TrimPrefix(found, dashboard.Root)
	}
}

// TestEveryActionIsDone compares what is done in these tests with what can be done:
// that each deed posts what it says is seen when it is done.
func TestEveryActionIsDone(t *testing.T) {
	t.Parallel()
	done := map[string]bool{}
	for _, d := range slices.Concat(cronDeeds, outboxDeeds, webhookDeeds, operatorDeeds, contactDeeds, nodeDeeds, sessionDeeds) {
		done[d.posts] = true
	}
	for _, pattern := range listed(t, "actions") {
		if !done[pattern] {
			t.Errorf("no test posts %s", pattern)
		}
		delete(done, pattern)
	}
	for pattern := range done {
		t.Errorf("there is no action %s", pattern)
	}
}
