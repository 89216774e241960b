package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "ferryman"

func TestArchitecture(t *testing.T) {
	files, violations, err := check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("read %d files only: is ../.. still the module's folder?", files)
	}
	for _, violation := range violations {
		t.Error(violation)
	}
}

func TestViolationsAreFound(t *testing.T) {
	for _, test := range []struct {
		name, file, source string
		want               string // "" if it is allowed
	}{
		{
			"a layer that looks up", "internal/db/open.go", `import "ferryman/internal/ledger"`,
			"internal/db/open.go:2: internal/db may not import internal/ledger",
		},
		{"a package below", "internal/config/load.go", `import "ferryman/internal/config/dotenv"`, ""},
		{
			"the package above", "internal/config/dotenv/x.go", `import "ferryman/internal/config"`,
			"internal/config/dotenv may not import internal/config",
		},
		{"a layer that looks down", "internal/db/open.go", `import "ferryman/internal/fault"`, ""},
		{
			"a domain that knows another", "internal/outbox/x.go", `import "ferryman/internal/push"`,
			"internal/outbox may not import internal/push",
		},
		{"the arrow between domains", "internal/push/x.go", `import "ferryman/internal/outbox"`, ""},
		{"a test may look up", "internal/pipeline/x_test.go", `import "ferryman/internal/sink/sqlsink"`, ""},
		{
			"an adapter beside the wiring", "internal/httpapi/x.go", `import "ferryman/internal/source/pulpo"`,
			"internal/httpapi may not import internal/source/pulpo",
		},
		{"an adapter in the wiring", "internal/app/x.go", `import "ferryman/internal/source/pulpo"`, ""},
		{
			"a package without a line", "internal/helpers/x.go", "",
			"internal/helpers has no line in layers",
		},
		{
			"River", "internal/ledger/x.go", `import "github.com/riverqueue/river"`,
			"internal/ledger may not import github.com/riverqueue/river: the job engine stays behind internal/jobs",
		},
		{
			"River in a test", "internal/ledger/x_test.go", `import "github.com/riverqueue/river/rivertype"`,
			"internal/ledger may not import github.com/riverqueue/river/rivertype",
		},
		{
			"the tracing SDK", "internal/outbox/x.go", `import "go.opentelemetry.io/otel/sdk/trace"`,
			"internal/outbox may not import go.opentelemetry.io/otel/sdk/trace: how traces are sent stays behind internal/tracing",
		},
		{"its interface", "internal/outbox/x.go", `import "go.opentelemetry.io/otel/trace"`, ""},
		{
			"a tracer of the process", "internal/tracing/x.go", `import "go.opentelemetry.io/otel"`,
			"a tracer is handed over, and not set for the process",
		},
		{"River at home", "internal/jobs/x.go", `import "github.com/riverqueue/river"`, ""},
		{
			"a test helper in code", "internal/db/x.go", `import "ferryman/internal/testdb"`,
			"internal/db may not import internal/testdb",
		},
		{
			"package testing in code", "internal/db/x.go", `import "testing/fstest"`,
			"test code does not belong into the binary",
		},
		{"a test helper in a test", "internal/db/x_test.go", `import "ferryman/internal/testdb"`, ""},
		{"a test helper in another", "internal/db/dbtest/x.go", `import "ferryman/internal/testdb"`, ""},
		{
			"a simulator that knows us", "internal/sandbox/pulpo/x_test.go", `import "ferryman/internal/fault"`,
			"internal/sandbox/pulpo may not import internal/fault",
		},
		{"a simulator's parts", "internal/sandbox/pulpo/x.go", `import "ferryman/internal/sandbox/faults"`, ""},
		{
			"a command as a library", "internal/app/x_test.go", `import "ferryman/cmd/ferryman/flags"`,
			"a command is not a library",
		},
		{
			"a side effect", "internal/app/x.go", `import _ "net/http/pprof"`,
			"internal/app may not import net/http/pprof for its side effect",
		},
		{"a driver's side effect", "internal/db/x.go", `import _ "modernc.org/sqlite"`, ""},
		{"embed", "internal/httpapi/x.go", `import _ "embed"`, ""},
		{
			"init", "internal/app/x.go", "func init() {}",
			"internal/app/x.go:2: func init",
		},
		{
			"a sleeping test", "internal/app/x_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }",
			"internal/app/x_test.go:3: a test sleeps",
		},
		{
			"a test that sleeps in a bubble", "internal/app/x_test.go",
			"import (\"testing/synctest\"; \"time\")\nfunc f() { time.Sleep(1) }", "",
		},
		{"a method named init", "internal/app/x.go", "type t int\nfunc (t) init() {}", ""},
		{"another module's folder", "internal/db/testdata/x.go", `import "ferryman/internal/app"`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := "package p\n" + test.source
			_, violations, err := check(fstest.MapFS{test.file: {Data: []byte(source)}})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(violations, "\n")
			if test.want == "" && got != "" {
				t.Errorf("refused: %s", got)
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// check returns how many Go files the module has and what they violate.
func check(root fs.FS) (files int, violations []string, err error) {
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skip(root, name)
		case path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		f := file{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), set: set}
		f.check(parsed)
		for _, violation := range f.violations {
			if !slices.Contains(violations, violation) {
				violations = append(violations, violation)
			}
		}
		return nil
	})
	return files, violations, err
}

// skip returns fs.SkipDir for a folder that holds no package of this module.
func skip(root fs.FS, dir string) error {
	base := path.Base(dir)
	if dir == "." {
		return nil
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "bin" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

type file struct {
	name, pkg  string
	test       bool
	set        *token.FileSet
	violations []string
}

func (f *file) check(parsed *ast.File) {
	may, known := layer(f.pkg)
	if !known {
		f.violations = append(f.violations, f.pkg+" has no line in layers: say what it may import")
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the compiler will say so
		}
		imported, ours := strings.CutPrefix(imported, module+"/")
		bound := ours && (!f.test || matches(apart, f.pkg))
		if known && bound && !matches(may, imported) && !matches([]string{f.pkg + "/..."}, imported) {
			f.report(spec.Pos(), "%s may not import %s; of ours it may import %v", f.pkg, imported, may)
		}
		for _, rule := range reserved {
			if matches(rule.imports, imported) && !matches(rule.to, f.pkg) && (!rule.code || !f.test) {
				f.report(spec.Pos(), "%s may not import %s: %s", f.pkg, imported, rule.reason)
			}
		}
		if spec.Name != nil && spec.Name.Name == "_" && imported != "embed" && !matches(blank, f.pkg) {
			f.report(spec.Pos(), "%s may not import %s for its side effect", f.pkg, imported)
		}
	}
	if f.test {
		f.checkSleep(parsed)
	}
	for _, declaration := range parsed.Decls {
		if fn, ok := declaration.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			f.report(fn.Pos(), "func init: wiring is called by name, in internal/app")
		}
	}
}

// checkSleep lets tests sleep only in bubbles of synctest, where it takes no time.
func (f *file) checkSleep(parsed *ast.File) {
	for _, spec := range parsed.Imports {
		if spec.Path.Value == `"testing/synctest"` {
			return
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if ok && selector.Sel.Name == "Sleep" {
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == "time" {
				f.report(n.Pos(), "a test sleeps: await the condition, or run in a bubble of testing/synctest")
			}
		}
		return true
	})
}

func (f *file) report(pos token.Pos, format string, args ...any) {
	where := fmt.Sprintf("%s:%d: ", f.name, f.set.Position(pos).Line)
	f.violations = append(f.violations, where+fmt.Sprintf(format, args...))
}

// layer returns what of ours the package may import, and whether layers knows it.
func layer(pkg string) (may []string, known bool) {
	for _, l := range layers {
		if matches([]string{l.pkg}, pkg) {
			return l.may, true
		}
	}
	return nil, false
}

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		root, deep := strings.CutSuffix(pattern, "/...")
		return pkg == root || deep && strings.HasPrefix(pkg, root+"/")
	})
}
