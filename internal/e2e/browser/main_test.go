package browser

import (
	"os"
	"path/filepath"
	"testing"

	"ferryman/internal/e2e/program"
)

func TestMain(m *testing.M) {
	code := program.Main(m, &binary)
	chromium.close()
	os.Exit(code)
}

func TestSourcesCountForTheCache(t *testing.T) {
	program.LookAtSources(t, filepath.Join("..", "..", ".."))
}
