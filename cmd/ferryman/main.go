// Command ferryman carries an organisation's data across and keeps the book of
// every crossing. See `ferryman help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Stamped by the build.
var (
	version = "dev"
	commit  = ""
	date    = ""
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is main with an exit code instead of an exit, so that what is deferred
// gets its turn.
func run(args []string) int {
	ctx, interrupted, stop := withSignals(context.Background())
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return finish(root.ErrOrStderr(), err, interrupted())
}

// withSignals gives a context that ends at the first SIGINT or SIGTERM; a second
// one ends the process at once. interrupted tells which came, nil if none did.
func withSignals(parent context.Context) (ctx context.Context, interrupted func() os.Signal, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	came := make(chan os.Signal, 1)
	go func() {
		select {
		case s := <-signals:
			came <- s
			signal.Stop(signals) // the default action from here on
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() os.Signal {
			select {
			case s := <-came:
				return s
			default:
				return nil
			}
		}, func() {
			signal.Stop(signals)
			cancel()
		}
}
