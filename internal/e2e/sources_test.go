package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The binary is built by another process, where Go's test cache does not see
// what it is built from. Looking at each source here tells it.
func TestSourcesCountForTheCache(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	for _, top := range []string{"go.mod", "go.sum", "api", "cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			seen++
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 50 {
		t.Errorf("only %d sources: the layout has changed", seen)
	}
}
