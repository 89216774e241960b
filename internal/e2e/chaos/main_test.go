//go:build linux

package chaos

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"ferryman/internal/e2e/program"
)

// binary is the built program.
var binary string

// What is asked for on the command line: see make chaos.
var (
	seedFlag   = flag.Uint64("seed", 0, "what chooses faults and instants; 0: any")
	roundsFlag = flag.Int("rounds", 0, "how often a node is killed; 0: the short form")
	othersFlag = flag.Int("others", 10, "how often each other fault comes, beside rounds")
	onlyFlag   = flag.String("only", "", "the faults to commit, separated by commas; none: all")
	reportFlag = flag.String("report", "", "file that the report is added to")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *seedFlag == 0 {
		*seedFlag = rand.Uint64()
	}
	os.Exit(program.Main(m, &binary))
}

func TestSourcesCountForTheCache(t *testing.T) {
	program.LookAtSources(t, filepath.Join("..", "..", ".."))
}
