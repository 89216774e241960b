package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"ferryman/internal/fault"
)

// live tells open pages that what they show has changed. While nobody listens it
// does nothing; else it asks for the versions of all topics once a second,
// however many listen.
type live struct {
	log    *slog.Logger
	pulses map[string]func(context.Context) (string, error)
	done   chan struct{}
	ended  sync.Once
	wg     sync.WaitGroup

	mu      sync.Mutex
	clients map[chan map[string]string]bool // each with room for one: who is slow gets the newest
	last    map[string]string
	asked   time.Time // when last was true
	running bool
}

const (
	liveRhythm = time.Second
	liveBeat   = 15 * time.Second // proxies cut what is silent for longer
	maxLive    = 500              // streams of a node
	// A browser that does not take an event within this is let go.
	liveWrite = 10 * time.Second
)

func newLive(log *slog.Logger, pulses map[string]func(context.Context) (string, error)) *live {
	return &live{log: log, pulses: pulses, done: make(chan struct{}), clients: map[chan map[string]string]bool{}, last: map[string]string{}}
}

// versions gives the versions of some topics as the stream writes them. What
// cannot be asked is left out: the page then waits for the next change.
func (l *live) versions(ctx context.Context, topics []string) string {
	all := l.ask(ctx)
	some := map[string]string{}
	for _, t := range topics {
		some[t] = all[t]
	}
	text, err := json.Marshal(some)
	if err != nil {
		return ""
	}
	return string(text)
}

// ask gives the versions of all topics, a second old at most.
func (l *live) ask(ctx context.Context) map[string]string {
	l.mu.Lock()
	if time.Since(l.asked) < liveRhythm {
		defer l.mu.Unlock()
		return maps.Clone(l.last)
	}
	l.mu.Unlock()
	all := map[string]string{}
	for topic, pulse := range l.pulses {
		version, err := pulse(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.log.Debug("no version of what pages show", "name", topic, "err", err)
			}
			l.mu.Lock()
			version = l.last[topic]
			l.mu.Unlock()
		}
		all[topic] = version
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.asked = all, time.Now()
	return maps.Clone(all)
}

// watch asks for as long as somebody listens.
func (l *live) watch(ctx context.Context) {
	defer l.wg.Done()
	tick := time.NewTicker(liveRhythm)
	defer tick.Stop()
	var told map[string]string
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		all := l.ask(ctx)
		l.mu.Lock()
		if len(l.clients) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		if !maps.Equal(all, told) {
			told = all
			for c := range l.clients {
				select {
				case <-c: // what it has not taken is old now
				default:
				}
				c <- all
			}
		}
		l.mu.Unlock()
	}
}

// join makes a listener; nil if there are too many.
func (l *live) join() chan map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.clients) >= maxLive {
		return nil
	}
	c := make(chan map[string]string, 1)
	l.clients[c] = true
	if !l.running {
		l.running = true
		l.wg.Add(1)
		go l.watch(context.Background()) // it ends with the last listener, or by close
	}
	return c
}

func (l *live) leave(c chan map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.clients, c)
}

func (l *live) close() {
	l.ended.Do(func() { close(l.done) })
	l.wg.Wait()
}

// stream is the server-sent events that say what has changed: an object with the
// version of each topic, first as it is and then after each change.
func (d *Dashboard) stream(w http.ResponseWriter, r *http.Request) {
	req, err := d.enter(r, viewers)
	if err != nil {
		http.Error(w, "sign in", d.o.Status(err)) // no page: a script reads it
		return
	}
	c := d.live.join()
	if c == nil {
		d.fail(w, req, &fault.Error{Kind: fault.Unavailable, Code: "too_many_streams", Detail: "too many pages are open"})
		return
	}
	defer d.live.leave(c)
	events := newEvents(w)
	versions := d.live.ask(r.Context())
	if text, err := json.Marshal(versions); err == nil && string(text) != r.Header.Get("Last-Event-ID") {
		err = events.send("", string(text), string(text))
		if err != nil {
			return
		}
	}
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-d.live.done:
			return
		case <-beat.C:
			if _, err := d.identify(r); err != nil { // the session may have ended
				return
			}
			if events.beat() != nil {
				return
			}
		case versions := <-c:
			text, err := json.Marshal(versions)
			if err != nil || events.send("", string(text), string(text)) != nil {
				return
			}
		}
	}
}

// events writes server-sent events.
type events struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func newEvents(w http.ResponseWriter) events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // or proxies of that kind would keep events back
	return events{w: w, c: http.NewResponseController(w)}
}

// send writes one event; data has no line breaks.
func (e events) send(event, id, data string) error {
	text := "data: " + data + "\n\n"
	if id != "" {
		text = "id: " + id + "\n" + text
	}
	if event != "" {
		text = "event: " + event + "\n" + text
	}
	return e.write(text)
}

// beat shows that the stream is alive.
func (e events) beat() error { return e.write(":\n\n") }

func (e events) write(text string) error {
	_ = e.c.SetWriteDeadline(time.Now().Add(liveWrite))
	if _, err := fmt.Fprint(e.w, text); err != nil {
		return err
	}
	return e.c.Flush()
}
