package witness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Arrival is one time that a message came.
type Arrival struct {
	ID   int64  // what the answer calls it
	Node string // whose token it came with
	At   time.Time
	Done time.Time // when it was answered; zero: not yet
}

// Receiver is where messages go: as much of Telegram's API as sends them. Each node
// has a token of its own, TokenOf(name), so that it is seen who sent.
type Receiver struct {
	Pace func() time.Duration // how long an answer takes

	mu       sync.Mutex
	hurry    chan struct{} // closed: answers take no time any more; see hurried
	hurries  bool
	arrivals map[int64][]*Arrival
	last     map[string]time.Time
	total    int64
}

// TokenOf is the token by which a node is known.
func TokenOf(node string) string { return "1:" + node }

// ServeHTTP takes a message.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	token, ok := strings.CutPrefix(strings.TrimSuffix(req.URL.Path, "/sendMessage"), "/bot1:")
	var message struct {
		Chat int64 `json:"chat_id"`
	}
	if !ok || req.Method != http.MethodPost || json.NewDecoder(req.Body).Decode(&message) != nil {
		http.Error(w, `{"ok":false,"error_code":404,"description":"Not Found"}`, http.StatusNotFound)
		return
	}
	a := &Arrival{Node: token, At: time.Now()}
	hurry := r.hurried()
	r.mu.Lock()
	if r.arrivals == nil {
		r.arrivals, r.last = map[int64][]*Arrival{}, map[string]time.Time{}
	}
	r.arrivals[message.Chat] = append(r.arrivals[message.Chat], a)
	r.last[a.Node] = a.At
	r.total++
	a.ID = r.total
	r.mu.Unlock()

	timer := time.NewTimer(r.Pace())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-req.Context().Done(): // the sender is gone
		return
	}
	r.mu.Lock()
	a.Done = time.Now()
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"ok":true,"result":{"message_id":%d}}`, a.ID)
}

// Hurry gives all answers that are held at once, and the later ones, too.
func (r *Receiver) Hurry() {
	hurry := r.hurried()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.hurries {
		r.hurries = true
		close(hurry)
	}
}

func (r *Receiver) hurried() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hurry == nil {
		r.hurry = make(chan struct{})
	}
	return r.hurry
}

// Arrivals are all that came, by the recipients of the messages.
func (r *Receiver) Arrivals() map[int64][]Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[int64][]Arrival, len(r.arrivals))
	for recipient, list := range r.arrivals {
		for _, a := range list {
			all[recipient] = append(all[recipient], *a)
		}
	}
	return all
}

// Arrived tells whether a message has come.
func (r *Receiver) Arrived(recipient int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.arrivals[recipient]) > 0
}

// Held are the recipients of the messages that a node had sent by then without having
// been answered.
func (r *Receiver) Held(node string, at time.Time) []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var held []int64
	for recipient, list := range r.arrivals {
		if slices.ContainsFunc(list, func(a *Arrival) bool {
			return a.Node == node && !a.At.After(at) && (a.Done.IsZero() || a.Done.After(at)) && at.Sub(a.At) < time.Minute
		}) {
			held = append(held, recipient)
		}
	}
	return held
}

// Elsewhere tells when a message first came by another node after a time.
func (r *Receiver) Elsewhere(recipient int64, node string, after time.Time) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.arrivals[recipient] {
		if a.Node != node && a.At.After(after) {
			return a.At, true
		}
	}
	return at, false
}

// Last tells when a node last sent anything; zero: never.
func (r *Receiver) Last(node string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[node]
}
