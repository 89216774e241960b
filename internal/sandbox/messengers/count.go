package messengers

import (
	"maps"
	"slices"
	"time"
)

// Count is how much of something came.
type Count struct {
	Requests   int64         `json:"requests"`   // calls, whatever became of them
	Refused    int64         `json:"refused"`    // calls answered with an error
	Arrived    int64         `json:"arrived"`    // messages taken
	Distinct   int64         `json:"distinct"`   // different (messenger, recipient, text) among them
	Duplicates int64         `json:"duplicates"` // Arrived less Distinct
	Often      map[int]int64 `json:"often"`      // how many different messages arrived so often
	First      time.Time     `json:"first,omitzero"`
	Last       time.Time     `json:"last,omitzero"`
}

// Repeated is a message that arrived more than once.
type Repeated struct {
	Messenger Messenger `json:"messenger"`
	Recipient string    `json:"recipient"`
	Text      string    `json:"text"` // shortened
	Times     int       `json:"times"`
}

// Counts is what GET /_sandbox/arrivals?count=1 tells.
type Counts struct {
	Count
	Messengers map[Messenger]Count `json:"messengers"`
	Repeated   []Repeated          `json:"repeated"` // the first thousand
	Exact      bool                `json:"exact"`    // whether Distinct, Duplicates and Often are: up to 4 million different messages
}

// count counts a message that was taken.
func (s *arrivals) count(key uint64, a Arrival) {
	c := &s.counts[a.Messenger.index()]
	c.Arrived++
	if c.First.IsZero() {
		c.First = a.At
	}
	c.Last = a.At
	if a.Times > 1 || len(s.seen) < maxDistinct {
		s.seen[key]++
		c.Often[a.Times]++
		if a.Times > 1 {
			if c.Often[a.Times-1]--; c.Often[a.Times-1] == 0 {
				delete(c.Often, a.Times-1)
			}
		} else {
			c.Distinct++
		}
	}
	if a.Times > 1 {
		s.repeat(key, a)
	}
	if len(s.waiting) > 0 {
		arrived := s.arrived()
		s.waiting = slices.DeleteFunc(s.waiting, func(w waiter) bool {
			if arrived >= w.n {
				close(w.reached)
				return true
			}
			return false
		})
	}
}

func (s *arrivals) repeat(key uint64, a Arrival) {
	r := s.again[key]
	if r == nil {
		if len(s.repeated) >= maxRepeated {
			return
		}
		r = &Repeated{Messenger: a.Messenger, Recipient: a.Recipient, Text: shorten(a.Text, 80)}
		s.again[key] = r
		s.repeated = append(s.repeated, r)
	}
	r.Times = a.Times
}

func (s *arrivals) arrived() int64 {
	var n int64
	for i := range s.counts {
		n += s.counts[i].Arrived
	}
	return n
}

// shorten keeps the first n characters.
func shorten(text string, n int) string {
	for i := range text {
		if n--; n < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// Total counts all messengers together.
func (s *Server) Total() Count { return s.Counts().Count }

// Counts counts everything since the start, or since Forget.
func (s *Server) Counts() Counts {
	s.arrivals.mu.Lock()
	defer s.arrivals.mu.Unlock()
	sum := Counts{Messengers: map[Messenger]Count{}, Repeated: []Repeated{}, Exact: len(s.arrivals.seen) < maxDistinct}
	sum.Often = map[int]int64{}
	for i, m := range all {
		c := s.arrivals.counts[i]
		c.Often = maps.Clone(c.Often)
		c.Requests, c.Refused = s.requests[i].Load(), s.refused[i].Load()
		c.Duplicates = c.Arrived - c.Distinct
		sum.Messengers[m] = c
		sum.add(c)
	}
	for _, r := range s.arrivals.repeated {
		sum.Repeated = append(sum.Repeated, *r)
	}
	return sum
}

func (c *Count) add(other Count) {
	c.Requests += other.Requests
	c.Refused += other.Refused
	c.Arrived += other.Arrived
	c.Distinct += other.Distinct
	c.Duplicates += other.Duplicates
	for times, n := range other.Often {
		c.Often[times] += n
	}
	if !other.First.IsZero() && (c.First.IsZero() || other.First.Before(c.First)) {
		c.First = other.First
	}
	if other.Last.After(c.Last) {
		c.Last = other.Last
	}
}
