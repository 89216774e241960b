package witness

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// tries is how often a caller repeats a call that was not acknowledged, each time at
// another door.
const tries = 3

// Run is what the ledger acknowledged of one run of a cron.
type Run struct {
	Request  string // what the application calls it
	ID       int64  // what the ledger calls it
	Messages int    // that were acknowledged
	Ended    bool
	Success  bool // how it was reported to have ended
}

// Reporter is an application that reports its crons.
type Reporter struct {
	Doors *Doors
	Key   string
	Name  string        // begins its requests' names
	Step  time.Duration // from one run of a worker to the next

	mu       sync.Mutex
	runs     map[string]*Run
	calls    int
	problems []string
}

// Work reports runs, by so many workers at a time, until ctx ends.
func (r *Reporter) Work(ctx context.Context, workers int) {
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			n := 0
			every(ctx, r.Step, func() {
				n++
				r.report(ctx, fmt.Sprintf("load-%d", worker), fmt.Sprintf("%s.%d.%d", r.Name, worker, n), n%5 != 0)
			})
		})
	}
	wg.Wait()
}

// Runs are those that were acknowledged so far, at least their start.
func (r *Reporter) Runs() map[string]Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]Run, len(r.runs))
	for request, run := range r.runs {
		all[request] = *run
	}
	return all
}

// Calls tells how many calls were acknowledged.
func (r *Reporter) Calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// Problems are answers that contradict each other.
func (r *Reporter) Problems() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.problems...)
}

// report has one run, as far as it is acknowledged.
func (r *Reporter) report(ctx context.Context, slug, request string, success bool) {
	id, ok := r.call(ctx, "/api/"+slug+"/start?create=1", map[string]any{"rid": request}, func(id int64) { r.started(request, id) })
	if !ok {
		return
	}
	say := map[string]any{"message": "half of " + request, "type": "info"}
	if _, ok := r.call(ctx, fmt.Sprintf("/api/%d/message", id), say, func(int64) { r.noted(request, func(run *Run) { run.Messages++ }) }); !ok {
		return
	}
	end := map[string]any{"success": success, "type": "info", "message": "all of " + request}
	r.call(ctx, fmt.Sprintf("/api/%d/end", id), end, func(int64) {
		r.noted(request, func(run *Run) {
			run.Messages++
			run.Ended, run.Success = true, success
		})
	})
}

// call repeats a call until it is acknowledged, and writes that down.
func (r *Reporter) call(ctx context.Context, path string, body any, note func(id int64)) (id int64, ok bool) {
	var answer struct {
		ID int64 `json:"id"`
	}
	for range tries {
		status, err := r.Doors.post(ctx, path, r.Key, body, &answer)
		if err == nil && status/100 == 2 {
			note(answer.ID)
			return answer.ID, true
		}
		if err == nil && status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
			r.refuse(path, status)
			return 0, false
		}
		if ctx.Err() != nil {
			return 0, false
		}
	}
	return 0, false
}

func (r *Reporter) started(request string, id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.runs == nil {
		r.runs = map[string]*Run{}
	}
	r.runs[request] = &Run{Request: request, ID: id}
}

func (r *Reporter) noted(request string, change func(*Run)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	change(r.runs[request])
}

// refuse notes that a right call was refused: nothing may make the ledger deny what it
// has acknowledged.
func (r *Reporter) refuse(path string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf("%s was refused with %d", path, status))
}
