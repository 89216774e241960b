package main

import (
	"bytes"
	"os"
	"testing"
)

// TestFileIsUpToDate compares the file with what go.mod and the module cache say now.
// It fails as well if a licence is unknown or forbidden.
func TestFileIsUpToDate(t *testing.T) {
	const root = "../../.."
	for _, name := range []string{"go.mod", "go.sum"} { // for Go's test cache: another process reads them
		if _, err := os.ReadFile(root + "/" + name); err != nil {
			t.Fatal(err)
		}
	}
	var want bytes.Buffer
	if err := write(t.Context(), &want, root+"/cmd/ferryman"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(root + "/THIRD_PARTY_LICENSES")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error(`THIRD_PARTY_LICENSES is not up to date: "make licences" makes it anew`)
	}
}
