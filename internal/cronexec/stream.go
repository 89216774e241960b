package cronexec

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"ferryman/internal/fault"
)

// The bounds of what is streamed.
const (
	maxLine       = 60 << 10
	maxBatch      = 1000      // messages in a call
	maxBatchBytes = 900 << 10 // of a call's body; the server takes 1 MiB
	maxQueue      = 10_000    // lines that wait
	maxQueueBytes = 4 << 20
	batchEvery    = time.Second
	streamGrace   = 5 * time.Second  // for each call with what is left when the command has ended
	maxStreamWait = 30 * time.Second // after the server asked for a pause
)

// message is a line as the server takes it.
type message struct {
	Message string    `json:"message"`
	Type    string    `json:"type"`
	At      time.Time `json:"at"`
}

// streamer sends lines while the command runs. It never keeps the command
// waiting: lines that find no room are counted and dropped.
type streamer struct {
	server    *server
	execution int64
	cancel    context.CancelFunc
	full      chan struct{} // a batch is ready
	closing   chan struct{}
	done      chan struct{}

	mu      sync.Mutex
	queue   []message
	bytes   int
	dropped int
	refused bool        // the server wants none of them
	grace   *time.Timer // ends the sending of what is left; nil before that
}

func startStreamer(ctx context.Context, s *server, execution int64) *streamer {
	ctx, cancel := context.WithCancel(ctx)
	q := &streamer{
		server: s, execution: execution, cancel: cancel,
		full: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run(ctx)
	return q
}

// push adds a line; mu is held.
func (q *streamer) push(level string, line []byte, at time.Time) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if len(bytes.TrimSpace(line)) == 0 {
		return // the server takes no blank messages
	}
	if q.refused || len(q.queue) >= maxQueue || q.bytes+len(line) > maxQueueBytes {
		q.dropped++
		return
	}
	m := message{clip(strings.ToValidUTF8(string(line), "\uFFFD"), maxLine), level, at}
	q.queue = append(q.queue, m)
	q.bytes += len(m.Message)
	if len(q.queue) >= maxBatch {
		select {
		case q.full <- struct{}{}:
		default:
		}
	}
}

func (q *streamer) run(ctx context.Context) {
	defer close(q.done)
	tick := time.NewTicker(batchEvery)
	defer tick.Stop()
	var until time.Time
	for {
		select {
		case <-q.full:
		case <-tick.C:
		case <-q.closing:
			q.drain(ctx)
			return
		}
		for more := time.Now().After(until); more; more = q.waiting() >= maxBatch {
			if err := q.send(ctx); err != nil {
				until = time.Now().Add(min(max(retryAfter(err), batchEvery), maxStreamWait))
				break
			}
		}
	}
}

// drain sends what is left, and tells those who read it what is missing.
func (q *streamer) drain(ctx context.Context) {
	for q.waiting() > 0 {
		if q.send(ctx) != nil {
			return
		}
	}
	q.mu.Lock()
	missing := q.dropped
	q.mu.Unlock()
	if missing == 0 || q.refused {
		return
	}
	note := message{
		fmt.Sprintf("ferryman: %d lines of output are missing, for they came too fast or the server was away", missing),
		"warning", millis(time.Now()),
	}
	if body, err := json.Marshal([]message{note}); err == nil {
		_ = q.server.messages(ctx, q.execution, body) // the caller learns the number too
	}
}

// send sends one batch. What the server did not get for certain waits for
// another try; what it may have got is not sent twice.
func (q *streamer) send(ctx context.Context) error {
	body, n := q.batch()
	if n == 0 {
		return nil
	}
	err := q.server.messages(ctx, q.execution, body)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err == nil:
		q.remove(n)
		if q.grace != nil {
			q.grace.Reset(streamGrace) // a busy server is no server that is away
		}
	case notReceived(err):
	case fault.Temporary(err):
		q.remove(n)
		q.dropped += n
	default:
		q.refused = true
		q.dropped += len(q.queue)
		q.remove(len(q.queue))
	}
	return err
}

// notReceived tells whether a call failed before the server took it in hand.
func notReceived(err error) bool {
	switch fault.CodeOf(err) {
	case "refused", "dns", "unreachable", "rate_limited":
		return true
	}
	return false
}

// batch encodes the first of the queue.
func (q *streamer) batch() (body []byte, n int) {
	q.mu.Lock()
	first := q.queue[:min(len(q.queue), maxBatch)]
	q.mu.Unlock() // push only appends
	body = append(body, '[')
	for _, m := range first {
		one, err := json.Marshal(m)
		if err != nil || n > 0 && len(body)+len(one) > maxBatchBytes {
			break
		}
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, one...)
		n++
	}
	return append(body, ']'), n
}

// remove takes the first n off the queue; mu is held.
func (q *streamer) remove(n int) {
	for _, m := range q.queue[:n] {
		q.bytes -= len(m.Message)
	}
	rest := copy(q.queue, q.queue[n:])
	clear(q.queue[rest:])
	q.queue = q.queue[:rest]
}

func (q *streamer) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue)
}

// stop sends what is left, as long as something gets through within streamGrace and
// until ctx ends, and gives the number of lines that were not sent. The bound of the
// queue is one of the calls that are left.
func (q *streamer) stop(ctx context.Context) int {
	defer context.AfterFunc(ctx, q.cancel)()
	q.mu.Lock()
	q.grace = time.AfterFunc(streamGrace, q.cancel)
	q.mu.Unlock()
	defer q.grace.Stop()
	close(q.closing)
	<-q.done
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped + len(q.queue)
}
