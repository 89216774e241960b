// Command ferryman carries an organisation's data across and keeps the book of
// every crossing. See `ferryman help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

// Stamped by the build.
var (
	version = "dev"
	commit  = ""
	date    = ""
)

func main() {
	saveMemory()
	os.Exit(run(os.Args))
}

// saveMemory trades some processor time for memory, unless the environment says
// what to do: a large sync takes a tenth more of the one, and a quarter less of the
// other, which keeps it below 100 MB.
func saveMemory() {
	const percent = 60
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// run is main with an exit code instead of an exit, so that what is deferred
// gets its turn.
func run(args []string) int {
	ctx, interrupted, stop := withSignals(context.Background())
	defer stop()
	if program, ok := isDBSync(args); ok {
		err := runDBSync(ctx, program, args[1:], os.Stdout, os.Stderr)
		return finishAs(program, os.Stdout, err, interrupted()) // where the original client tells of its errors
	}
	root := newRoot()
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	return finish(root.ErrOrStderr(), err, interrupted())
}

// settle is how long further signals count as the first one repeated: timeout(1)
// and others send it to the process and again to its group.
const settle = time.Second

// withSignals gives a context that ends at the first SIGINT or SIGTERM; another
// one, later than settle, ends the process at once. interrupted tells which came,
// nil if none did.
func withSignals(parent context.Context) (ctx context.Context, interrupted func() os.Signal, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGINT) { // as a shell has it for what it starts with &
		signal.Notify(signals, syscall.SIGINT)
	}
	var first atomic.Pointer[os.Signal]
	done := make(chan struct{})
	go func() {
		var came time.Time
		for {
			select {
			case s := <-signals:
				switch {
				case first.CompareAndSwap(nil, &s):
					came = time.Now()
					cancel()
				case time.Since(came) > settle:
					os.Exit(exitSignal(s))
				}
			case <-done:
				return
			}
		}
	}()
	interrupted = func() os.Signal {
		if s := first.Load(); s != nil {
			return *s
		}
		return nil
	}
	return ctx, interrupted, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
