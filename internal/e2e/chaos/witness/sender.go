package witness

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Ahead is how much later than now every second message is due.
const Ahead = 4 * time.Second

// Message is one that was acknowledged.
type Message struct {
	Recipient int64 // which tells it from all others
	ID        int64
	At        time.Time // of the acknowledgement
	Due       time.Time
}

// Sender posts messages, each to somebody else.
type Sender struct {
	Doors *Doors
	Step  time.Duration // from one list to the next

	mu    sync.Mutex
	last  int64
	taken map[int64]Message
}

// Work posts a list of two in every step, by so many workers, until ctx ends: one is
// due at once, one in a few seconds, so that something is due whoever takes messages.
func (s *Sender) Work(ctx context.Context, workers int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { every(ctx, s.Step, func() { s.post(ctx) }) })
	}
	wg.Wait()
}

// Taken are the messages that were acknowledged so far, by their recipients.
func (s *Sender) Taken() map[int64]Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.taken)
}

func (s *Sender) post(ctx context.Context) {
	type message struct {
		Recipient int64  `json:"user_id"`
		Messenger int    `json:"messenger_id"`
		Text      string `json:"text"`
		StartAt   string `json:"start_at,omitempty"`
	}
	s.mu.Lock()
	first := s.last + 1
	s.last += 2
	s.mu.Unlock()
	now := time.Now().UTC()
	due := now.Add(Ahead)
	list := []message{
		{Recipient: first, Messenger: 1, Text: "message " + strconv.FormatInt(first, 10)},
		{Recipient: first + 1, Messenger: 1, Text: "message " + strconv.FormatInt(first+1, 10), StartAt: due.Format(time.RFC3339Nano)},
	}
	var answer []struct {
		ID int64 `json:"id"`
	}
	// It is not repeated: what was taken without a word is refused as known.
	status, err := s.Doors.post(ctx, "/messages/", "", list, &answer)
	if err != nil || status != http.StatusCreated || len(answer) != len(list) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil {
		s.taken = map[int64]Message{}
	}
	s.taken[first] = Message{first, answer[0].ID, time.Now(), now}
	s.taken[first+1] = Message{first + 1, answer[1].ID, time.Now(), due}
}
