package pushclient

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"ferryman/internal/fault"
)

// DefaultTries takes about a minute, and as much more as the server asks for.
const DefaultTries = 9

// The bounds of SendOptions.
const (
	MaxBatch    = 10_000 // what the server takes in one call
	MaxParallel = 64
)

// SendOptions say how a file is sent.
type SendOptions struct {
	Batch    int // messages in a list, 1 to MaxBatch
	Parallel int // lists on their way at the same time, 1 to MaxParallel
	Tries    int // how often a list is sent if that fails in passing; DefaultTries if 0

	// Reject is told of each message that is refused; an error ends the sending.
	Reject func(Line) error
	// Progress is told after each list; may be nil. Retrying is told of what is
	// tried again, and after which wait; may be nil. Of all three one runs at a time.
	Progress func(Tally)
	Retrying func(cause error, wait time.Duration)

	pause func(try int) time.Duration // between two tries; nil is pause
}

// Tally counts messages, and the bytes of the file, that are settled.
type Tally struct {
	Stored, There, Refused int64 // There: stored before
	Bytes                  int64
}

// Total is how many messages are settled.
func (t Tally) Total() int64 { return t.Stored + t.There + t.Refused }

func (t *Tally) add(more Tally) {
	t.Stored += more.Stored
	t.There += more.There
	t.Refused += more.Refused
	t.Bytes += more.Bytes
}

const (
	// maxBody keeps well below the 16 MiB that the server takes.
	maxBody = 4 << 20
	// linger is how long a message waits for others to go with it, where they come
	// slowly.
	linger = time.Second
	// grace is what calls under way have to come to their end when everything else
	// is called off: otherwise what was stored last would not be counted.
	grace = 5 * time.Second
)

// Send stores the messages of a file: all that are good and not there yet. What
// fails in passing is tried again. It returns when the file has ended or could not
// be read on, with the first error that is not about a message, or, soon, when ctx
// ends; the Tally is right in any case, but for calls whose answer did not come. A
// Next of lines that does not return by then is not waited for.
func (c *Client) Send(ctx context.Context, lines Lines, o SendOptions) (Tally, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := c.sending(o)
	lists := make(chan []Line)
	var workers sync.WaitGroup
	for range o.Parallel {
		workers.Go(func() {
			for list := range lists {
				if err := s.settle(ctx, list); err != nil {
					stop(err)
				}
			}
		})
	}
	err := s.collect(ctx, lines, lists)
	close(lists)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return s.tally, err
}

// Store stores one message, and gives its id. Of o only Tries and Retrying count.
func (c *Client) Store(ctx context.Context, d Draft, o SendOptions) (int64, error) {
	encoded, err := json.Marshal(d)
	if err != nil {
		return 0, &fault.Error{Kind: fault.Invalid, Code: "not_utf8", Detail: "the message is not UTF-8", Err: err}
	}
	ids, err := c.sending(o).post(ctx, []Line{{JSON: encoded}})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

func (c *Client) sending(o SendOptions) *sending {
	if o.pause == nil {
		o.pause = pause
	}
	if o.Tries == 0 {
		o.Tries = DefaultTries
	}
	return &sending{client: c, o: o, run: rand.Text()}
}

// sending is one Send.
type sending struct {
	client *Client
	o      SendOptions
	run    string // tells this sending from others of the same file

	mu    sync.Mutex // guards the tally, and the callbacks of o
	tally Tally
}

// collect reads the file and hands it on in lists.
func (s *sending) collect(ctx context.Context, from Lines, to chan<- []Line) error {
	lines, ended := read(ctx, from)
	var list []Line
	size := 0
	late := time.NewTimer(linger)
	defer late.Stop()
	hand := func() {
		if len(list) == 0 {
			return
		}
		select {
		case to <- list:
		case <-ctx.Done():
		}
		list, size = nil, 0
	}
	for ctx.Err() == nil {
		select {
		case line, ok := <-lines:
			if !ok {
				hand()
				return <-ended
			}
			if size+len(line.JSON) > maxBody {
				hand()
			}
			if len(list) == 0 {
				late.Reset(linger)
			}
			list, size = append(list, line), size+len(line.JSON)+1
			if len(list) == s.o.Batch {
				hand()
			}
		case <-late.C:
			hand()
		case <-ctx.Done():
		}
	}
	return nil
}

// ahead is how many lines are read before they are wanted.
const ahead = 64

// read reads lines until ctx ends. Why it ended comes behind the last line, nil if
// that was the end of the file.
func read(ctx context.Context, from Lines) (<-chan Line, <-chan error) {
	lines, ended := make(chan Line, ahead), make(chan error, 1)
	go func() {
		defer close(lines)
		for {
			line, err := from.Next()
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				ended <- err
				return
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				ended <- nil
				return
			}
		}
	}()
	return lines, ended
}
