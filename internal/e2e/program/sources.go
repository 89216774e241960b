package program

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// LookAtSources looks at each file that the binary is built from, below the root of
// the module. It is built by another process, where Go's test cache does not see
// what goes into it; this tells it.
func LookAtSources(t *testing.T, root string) {
	t.Helper()
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
