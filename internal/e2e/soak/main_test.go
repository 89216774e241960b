package soak

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
)

// What the soak is told: for how long, and where to write its report.
var (
	lasts  = flag.Duration("soak", 0, "how long the soak lasts; 0: a few seconds, to show that it works")
	report = flag.String("report", "", "file that the report is written to")
)

// binary is the built program.
var binary string

func TestMain(m *testing.M) { os.Exit(program.Main(m, &binary)) }

func TestSourcesCountForTheCache(t *testing.T) {
	program.LookAtSources(t, filepath.Join("..", "..", ".."))
}

// length is how long the soak lasts, and whether what it sees can be judged.
func length() (d time.Duration, judged bool) {
	if *lasts == 0 {
		return 8 * time.Second, false
	}
	return *lasts, *lasts >= 10*time.Minute
}
