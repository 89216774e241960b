package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The binary of this test is one as any other; internal/e2e/packages looks at the bill of
// the program itself.
func TestBill(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bill.json")
	if err := run(t.Context(), []string{"1.2.3+x", binary, file}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b bill
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		t.Fatal(err)
	}
	program := b.Metadata.Component
	if program.Type != "application" || program.PURL != "pkg:golang/ferryman@1.2.3%2Bx" || len(program.Hashes) != 1 || len(program.Hashes[0].Content) != 64 {
		t.Errorf("the program is %+v", program)
	}
	if len(b.Components) == 0 || b.Components[0].Name != "std" || !strings.Contains(runtime.Version(), b.Components[0].Version) {
		t.Errorf("Go's library is not the first of %+v", b.Components)
	}
	if on := b.Dependencies[0]; on.Ref != program.Ref || len(on.DependsOn) != len(b.Components) {
		t.Errorf("the program depends on %+v", on)
	}
}

func TestWhatIsNoBinary(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"1.2.3", text}, {"1.2.3", text, text + ".json"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
