package doctor

import "context"

// enoughFiles is what a server needs with room to spare: connections of callers, of
// channels and of stores, each a file.
const enoughFiles = 4096

// OpenFiles looks how many files this process may open.
func OpenFiles() Check {
	return Check{"open files", func(context.Context) []Finding {
		n, ok := mostFiles()
		switch {
		case !ok:
			return []Finding{Well("the system sets no limit")}
		case n < enoughFiles:
			return []Finding{Doubtful("raise it: LimitNOFILE= in the unit of systemd, ulimit -n in a shell",
				"this process may open %d, and a busy server wants %d", n, enoughFiles)}
		}
		return []Finding{Well("this process may open %d", n)}
	}}
}
