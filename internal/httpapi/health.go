package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"ferryman/internal/fault"
)

// Check is one thing that the server needs in order to be of use.
type Check struct {
	Name string
	Run  func(context.Context) error // nil means that it is well; heeds its context, which ends after 2 s
}

const checkTimeout = 2 * time.Second

func (s *Server) healthz(*http.Request) (reply, error) {
	return ok(map[string]string{"status": "ok"})
}

// readyz runs all checks side by side and names those that fail.
func (s *Server) readyz(r *http.Request) (reply, error) {
	errs := make([]error, len(s.o.Checks))
	var wg sync.WaitGroup
	for i, c := range s.o.Checks {
		wg.Go(func() { errs[i] = c.run(r.Context()) })
	}
	wg.Wait()

	names := make([]string, len(errs))
	var failed []string
	for i, c := range s.o.Checks {
		names[i] = c.Name
		if errs[i] != nil {
			failed = append(failed, c.Name+": "+publicDetail(errs[i]))
		}
	}
	if failed != nil {
		return reply{}, &fault.Error{
			Kind: fault.Unavailable, Code: "not_ready", Detail: strings.Join(failed, "; "), Err: errors.Join(errs...),
		}
	}
	if s.unready.over() {
		s.o.Log.Info("the server is ready again")
	}
	return ok(struct {
		Status string   `json:"status"`
		Checks []string `json:"checks"`
	}{"ok", names})
}

// run does the check within its time. A check that panics has failed; it runs in
// a goroutine of its own, where a panic would end the process.
func (c Check) run(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return c.Run(ctx)
}

// unready is why the server was not ready when it was last asked. It is asked every few
// seconds, and one reason is worth one line of the log.
type unready struct {
	mu  sync.Mutex
	why string
}

// because tells whether the reason is a new one.
func (u *unready) because(why string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	isNew := u.why != why
	u.why = why
	return isNew
}

// over tells whether the server was not ready.
func (u *unready) over() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	was := u.why != ""
	u.why = ""
	return was
}
