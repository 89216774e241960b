package messengers

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Arrival is a message that a messenger took, or a webhook whatever it answered.
type Arrival struct {
	Seq       int64       `json:"seq"` // rising by one, from 1
	At        time.Time   `json:"at"`
	Messenger Messenger   `json:"messenger"`
	Recipient string      `json:"recipient"`
	Text      string      `json:"text"`                // of a webhook its body
	ID        string      `json:"id"`                  // what the sender was told
	Reference string      `json:"reference,omitempty"` // what the sender had put to it
	Times     int         `json:"times,omitempty"`     // how often the same text had come to the same recipient then; 0 if it was refused
	Status    int         `json:"status"`              // that was answered; 0: the connection was cut, or nothing said
	Header    http.Header `json:"header,omitempty"`    // of webhooks
}

// taken tells whether the message was accepted, even if nobody could learn of it.
func (a *Arrival) taken() bool { return a.Status < http.StatusMultipleChoices }

const (
	maxKeep     = 10_000_000
	keepBytes   = 64 << 20 // of texts and headers, whatever their number
	maxDistinct = 1 << 22
	maxRepeated = 1_000
)

// arrivals is the newest of what arrived, and the counts of all of it.
type arrivals struct {
	keep    int
	journal io.Writer
	seed    maphash.Seed

	mu       sync.Mutex
	ring     []Arrival // grows to keep
	head, n  int       // where the oldest is, and how many there are
	bytes    int
	last     int64
	seen     map[uint64]int32
	counts   [len(all)]Count
	repeated []*Repeated
	again    map[uint64]*Repeated
	waiting  []waiter
}

type waiter struct {
	n       int64
	reached chan struct{}
}

func (s *arrivals) init(keep int, journal io.Writer) {
	s.keep, s.journal, s.seed = keep, journal, maphash.MakeSeed()
	s.forget()
}

func (s *arrivals) forget() {
	s.ring, s.head, s.n, s.bytes = nil, 0, 0, 0
	s.seen, s.again, s.repeated = map[uint64]int32{}, map[uint64]*Repeated{}, nil
	s.counts = [len(all)]Count{}
	for i := range s.counts {
		s.counts[i].Often = map[int]int64{}
	}
}

// key is the same for the same message.
func (s *arrivals) key(a *Arrival) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, part := range []string{string(a.Messenger), a.Recipient, a.Text} {
		_, _ = h.WriteString(part) // never fails
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// record keeps an arrival. It returns it with what is only known now.
func (s *arrivals) record(a Arrival, id func(int64) string) (Arrival, error) {
	key := s.key(&a)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Seq = s.last + 1
	a.ID = id(a.Seq)
	if a.taken() {
		a.Times = int(s.seen[key]) + 1
	}
	if s.journal != nil {
		line, err := json.Marshal(a)
		if err == nil {
			_, err = s.journal.Write(append(line, '\n'))
		}
		if err != nil {
			return Arrival{}, fmt.Errorf("journal: %w", err)
		}
	}
	s.last = a.Seq
	s.push(a)
	if a.taken() {
		s.count(key, a)
	}
	return a, nil
}

func (s *arrivals) push(a Arrival) {
	s.bytes += a.size()
	for s.n > 0 && (s.n == s.keep || s.bytes > keepBytes) {
		s.bytes -= s.ring[s.head].size()
		s.ring[s.head] = Arrival{}
		s.head = (s.head + 1) % len(s.ring)
		s.n--
	}
	if s.n == len(s.ring) {
		grown := make([]Arrival, min(max(2*s.n, 64), s.keep))
		n := copy(grown, s.ring[s.head:])
		copy(grown[n:], s.ring[:s.head])
		s.ring, s.head = grown, 0
	}
	s.ring[(s.head+s.n)%len(s.ring)] = a
	s.n++
}

// size is about how many bytes the arrival holds beside itself.
func (a *Arrival) size() int {
	n := len(a.Recipient) + len(a.Text) + len(a.ID) + len(a.Reference)
	for name, values := range a.Header {
		n += len(name) + 64
		for _, v := range values {
			n += len(v) + 16
		}
	}
	return n
}

// Query chooses among the arrivals that are kept. Its zero value is all of them.
type Query struct {
	Messenger Messenger // "" is all
	Recipient string    // "" is everybody
	After     int64     // only later ones than this Seq
	Newest    int       // only the newest so many of all that are kept; 0 is all
}

// Arrivals gives what arrived and is still kept, oldest first. It may be used
// while more arrives.
func (s *Server) Arrivals(q Query) iter.Seq[Arrival] {
	return func(yield func(Arrival) bool) {
		page := make([]Arrival, 0, 256)
		after := q.After
		if q.Newest > 0 {
			after = max(after, s.arrivals.lastSeq()-int64(q.Newest))
		}
		for {
			page = s.arrivals.page(page[:0], after)
			if len(page) == 0 {
				return
			}
			after = page[len(page)-1].Seq
			for _, a := range page {
				if (q.Messenger == "" || a.Messenger == q.Messenger) && (q.Recipient == "" || a.Recipient == q.Recipient) && !yield(a) {
					return
				}
			}
		}
	}
}

func (s *arrivals) lastSeq() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// page fills list with the oldest arrivals after a Seq.
func (s *arrivals) page(list []Arrival, after int64) []Arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.last - int64(s.n) + 1 // none is missing between the first and the last
	for i := max(after+1-first, 0); i < int64(s.n) && len(list) < cap(list); i++ {
		list = append(list, s.ring[(s.head+int(i))%len(s.ring)])
	}
	return list
}

// Forget drops all arrivals and sets every count to zero. Seq goes on rising.
func (s *Server) Forget() {
	s.arrivals.mu.Lock()
	defer s.arrivals.mu.Unlock()
	s.arrivals.forget()
	for i := range all {
		s.requests[i].Store(0)
		s.refused[i].Store(0)
	}
}

// AwaitArrived returns once n messages have arrived in all, repeated ones
// included, or with the context's error.
func (s *Server) AwaitArrived(ctx context.Context, n int64) error {
	reached := s.arrivals.await(n)
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
	}
	if arrived := s.arrivals.leave(reached); arrived < n {
		return fmt.Errorf("%d of %d messages arrived: %w", arrived, n, ctx.Err())
	}
	return nil
}

func (s *arrivals) await(n int64) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := waiter{n, make(chan struct{})}
	if s.arrived() >= n {
		close(w.reached)
	} else {
		s.waiting = append(s.waiting, w)
	}
	return w.reached
}

// leave ends a wait, and tells how many arrived.
func (s *arrivals) leave(reached chan struct{}) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(w waiter) bool { return w.reached == reached })
	return s.arrived()
}
