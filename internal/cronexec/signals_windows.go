package cronexec

import (
	"os"
	"syscall"
)

// forwarded are the events of a console that must not end us before the command.
func forwarded() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// hasIt is so of all of them: a console sends its events to each of its processes, and
// there is no other way to hand them on.
func hasIt(os.Signal) bool { return true }
