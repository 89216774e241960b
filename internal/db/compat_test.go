package db_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each migration since releases run side by side says whether the one before can work
// on what it makes.
func TestMigrationsSayWhomTheyLeaveBehind(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("migrations", "*", "*.sql"))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	for _, file := range files {
		if filepath.Base(file) < "0009" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if raises := strings.Contains(string(text), "UPDATE schema_compatibility"); raises == strings.Contains(string(text), "-- The release before works on it.") {
			t.Errorf(`%s neither raises schema_compatibility nor says "-- The release before works on it."`, file)
		}
	}
}
