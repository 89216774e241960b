package e2e

import (
	"path/filepath"
	"testing"

	"ferryman/internal/e2e/program"
)

func TestSourcesCountForTheCache(t *testing.T) {
	program.LookAtSources(t, filepath.Join("..", ".."))
}
