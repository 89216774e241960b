package cronexec

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// signals are those that are the command's rather than ours.
type signals struct {
	came chan os.Signal
	pipe chan os.Signal // SIGPIPE: a reader of our output that leaves must not end us
}

// catch takes the signals. One that is ignored, as after nohup(1), stays so, for
// the command as well.
func catch() *signals {
	s := &signals{make(chan os.Signal, 64), make(chan os.Signal, 1)}
	// To ignore SIGPIPE would make the command ignore it.
	signal.Notify(s.pipe, syscall.SIGPIPE)
	for _, one := range forwarded() {
		if !signal.Ignored(one) {
			signal.Notify(s.came, one)
		}
	}
	return s
}

func (s *signals) release() {
	signal.Stop(s.came)
	signal.Stop(s.pipe)
}

// cutOff gives a context that ends a grace after the first signal that asks to
// end. done ends the context too, and tells which signal came, nil if none did.
func (s *signals) cutOff(parent context.Context, grace time.Duration) (ctx context.Context, done func() os.Signal) {
	ctx, cancel := context.WithCancel(parent)
	var by os.Signal
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case one := <-s.came:
				if slices.Contains([]os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}, one) {
					by = one
					late := time.AfterFunc(grace, cancel)
					<-ctx.Done()
					late.Stop()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() os.Signal {
		cancel()
		<-over
		return by
	}
}

// forward hands signals to the command until stop is called.
func (s *signals) forward(to *os.Process) (stop func()) {
	quit, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case one := <-s.came:
				if !hasIt(one) {
					_ = to.Signal(one) // it may just have ended
				}
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-over
	}
}
