package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// witness makes the calls that come to a store, and notes what was acknowledged. In
// a soak nothing breaks, so each call has to go well.
type witness struct {
	s      *store
	client *http.Client

	mu       sync.Mutex
	ended    map[int64]end // executions whose end was acknowledged, by id
	accepted int           // messages that were
	calls    int
	failures []string // the first few calls that did not go well
	failed   int
}

// end is how an execution of a cron ended.
type end struct {
	cron string
	well bool
}

func newWitness(s *store) *witness {
	return &witness{s: s, client: client(), ended: map[int64]end{}}
}

// call makes one and gives its body; nil unless it went well.
func (w *witness) call(ctx context.Context, method, url, body string) []byte {
	text, err := w.try(ctx, method, url, body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if err != nil && ctx.Err() == nil {
		if w.failed++; len(w.failures) < 20 {
			w.failures = append(w.failures, fmt.Sprintf("%s: %s %s: %v", time.Now().UTC().Format(time.TimeOnly), method, url, err))
		}
	}
	if err != nil {
		return nil
	}
	return text
}

func (w *witness) try(ctx context.Context, method, url, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if strings.Contains(url, "/api/") {
		req.Header.Set("X-API-KEY", w.s.key)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%d %.200s", res.StatusCode, text)
	}
	return text, err
}

// each calls what at an even rhythm until ctx ends. A call that is under way is
// finished.
func each(ctx context.Context, every time.Duration, what func(i int)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			what(i)
		}
	}
}

// reports runs crons: starts, messages and ends come to one node after the other.
func (w *witness) reports(ctx, whole context.Context) {
	var all sync.WaitGroup
	const workers = 4
	for k := range workers {
		all.Go(func() {
			each(ctx, time.Second*workers/runs, func(i int) {
				slug, node := cron(i*workers%crons+k), i+k
				var begun struct{ ID int64 }
				if answer := w.call(whole, "POST", w.s.node(node)+"/api/"+slug+"/start", "{}"); answer == nil || json.Unmarshal(answer, &begun) != nil {
					return
				}
				for j := range 2 {
					w.call(whole, "POST", fmt.Sprintf("%s/api/%d/message", w.s.node(node+1+j), begun.ID),
						fmt.Sprintf(`{"type":"info","message":"step %d of %d rows in the run %d"}`, j, i*17, i))
				}
				well := (i+k)%50 != 0 // somebody is told of the others
				if w.call(whole, "POST", fmt.Sprintf("%s/api/%d/end", w.s.node(node+1), begun.ID),
					fmt.Sprintf(`{"type":"info","success":%v,"message":"done"}`, well)) != nil {
					w.mu.Lock()
					w.ended[begun.ID] = end{slug, well}
					w.mu.Unlock()
				}
			})
		})
	}
	all.Wait()
}

// messages are accepted in lists, each for a second or two later.
func (w *witness) messages(ctx, whole context.Context) {
	n := 0
	each(ctx, time.Second/lists, func(i int) {
		var list strings.Builder
		due := time.Now().Add(1500 * time.Millisecond).UTC()
		for range perList {
			fmt.Fprintf(&list, `,{"user_id":%d,"messenger_id":1,"text":"%s %d %d","start_at":"%s"}`,
				1000+n%recipients, w.s.name, n, due.UnixMicro(), due.Format("2006-01-02T15:04:05.000000Z"))
			n++
		}
		if w.call(whole, "POST", w.s.node(i)+"/messages/", "["+list.String()[1:]+"]") != nil {
			w.mu.Lock()
			w.accepted += perList
			w.mu.Unlock()
		}
	})
}

// looks has pages of the dashboard open, and its stream on every node.
func (w *witness) looks(ctx context.Context) {
	var all sync.WaitGroup
	for _, n := range w.s.nodes {
		all.Go(func() { w.stream(ctx, n.URL) })
	}
	all.Go(func() {
		pages := []string{"/ui/", "/ui/crons", "/ui/runs", "/ui/outbox", "/ui/timeline"}
		each(ctx, 7*time.Second, func(i int) { w.call(ctx, "GET", w.s.node(i)+pages[i%len(pages)], "") })
	})
	all.Wait()
}

// stream reads what the dashboard is told of changes.
func (w *witness) stream(ctx context.Context, url string) {
	told := 0
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/ui/live", http.NoBody)
		if err != nil {
			return
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			lines := bufio.NewScanner(res.Body)
			for lines.Scan() {
				told++
			}
			res.Body.Close()
		}
		if ctx.Err() == nil {
			w.mu.Lock()
			w.failed++
			w.failures = append(w.failures, fmt.Sprintf("the stream of %s broke off after %d lines: %v", url, told, err))
			w.mu.Unlock()
			return
		}
	}
	if told == 0 {
		w.mu.Lock()
		w.failed++
		w.failures = append(w.failures, "the stream of "+url+" told nothing")
		w.mu.Unlock()
	}
}

// ages lets what is older than a sixth of the soak look a day older, once, so that an
// hour sees what is kept for a day come and go. What goes on is pruned by the program
// itself. Messages to people are kept for ever, and not touched.
func (w *witness) ages(ctx context.Context, t *testing.T, d time.Duration) {
	after := d / 6
	const day = 24 * time.Hour
	each(ctx, min(20*time.Second, d/4), func(int) {
		now := time.Now()
		until, from := now.Add(-after), now.Add(-after-4*time.Minute)
		for _, q := range []struct {
			statement string
			args      []any
		}{
			{"UPDATE attempts SET at = at - $1 WHERE at > $2 AND at < $3", []any{day.Microseconds(), from.UnixMicro(), until.UnixMicro()}},
			{"UPDATE deliveries SET ended_at = ended_at - $1 WHERE topic = 1 AND state = 3 AND ended_at > $2 AND ended_at < $3",
				[]any{day.Microseconds(), from.UnixMicro(), until.UnixMicro()}},
			w.agesJobs(from, until),
		} {
			if _, err := w.s.db.ExecContext(ctx, q.statement, q.args...); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %s: %v", w.s.name, q.statement, err)
			}
		}
	})
}

func (w *witness) agesJobs(from, until time.Time) (q struct {
	statement string
	args      []any
},
) {
	const format = "2006-01-02 15:04:05.000"
	if w.s.postgres {
		q.statement = `UPDATE river_job SET finalized_at = finalized_at - interval '1 day'
			WHERE state = 'completed' AND finalized_at > $1 AND finalized_at < $2`
		q.args = []any{from, until}
		return q
	}
	q.statement = `UPDATE river_job SET finalized_at = strftime('%Y-%m-%d %H:%M:%f', finalized_at, '-1 day')
		WHERE state = 'completed' AND finalized_at > $1 AND finalized_at < $2`
	q.args = []any{from.UTC().Format(format), until.UTC().Format(format)}
	return q
}

// people are the messenger that everything is delivered to.
type people struct {
	url string

	mu     sync.Mutex
	came   map[string]map[int]bool // by store: the numbers of the messages
	all    map[string]int          // deliveries by store, alerts apart
	twice  []string
	alerts int
	late   []time.Duration // since the last look
}

func newPeople(t *testing.T) *people {
	t.Helper()
	p := &people{came: map[string]map[int]bool{}, all: map[string]int{}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// ServeHTTP takes a message.
func (p *people) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, rest, _ := bytes.Cut(body, []byte(`"text":"`))
	p.note(at, strings.Fields(string(bytes.TrimRight(rest, `"}`))))
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":1}}`)
}

func (p *people) note(at time.Time, words []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(words) != 3 || words[0] != "postgres" && words[0] != "sqlite" {
		p.alerts++
		return
	}
	n, _ := strconv.Atoi(words[1])
	due, _ := strconv.ParseInt(words[2], 10, 64)
	if p.came[words[0]] == nil {
		p.came[words[0]] = map[int]bool{}
	}
	if p.came[words[0]][n] {
		p.twice = append(p.twice, words[0]+" "+words[1])
	}
	p.came[words[0]][n] = true
	p.all[words[0]]++
	p.late = append(p.late, at.Sub(time.UnixMicro(due)))
}

// lateness is that of 99 of 100 messages since the last look.
func (p *people) lateness() (p99 time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.late) == 0 {
		return 0
	}
	slices.Sort(p.late)
	p99 = p.late[(len(p.late)-1)*99/100]
	p.late = p.late[:0]
	return p99
}

// distinct is how many different messages of a store have come.
func (p *people) distinct(store string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.came[store])
}
