package dashboard

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
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

	asking sync.Mutex // of the domains: pages that come together ask once

	mu      sync.Mutex
	streams map[string]int                  // that are open, by who looks
	clients map[chan map[string]string]bool // each with room for one: who is slow gets the newest
	last    map[string]string
	asked   time.Time // when last was true
	running bool
}

const (
	liveRhythm = time.Second
	liveBeat   = 15 * time.Second // proxies cut what is silent for longer
	maxLive    = 500              // streams of a node
	maxOfOne   = 100              // of these, with the same key
	// A browser that does not take an event within this is let go.
	liveWrite = 10 * time.Second
)

func newLive(log *slog.Logger, pulses map[string]func(context.Context) (string, error)) *live {
	return &live{
		log: log, pulses: pulses, done: make(chan struct{}), streams: map[string]int{}, clients: map[chan map[string]string]bool{}, last: map[string]string{},
	}
}

// topics are the names of all that has versions.
func (l *live) topics() []string { return slices.Sorted(maps.Keys(l.pulses)) }

// ask gives the versions of all topics, a second old at most.
func (l *live) ask(ctx context.Context) map[string]string {
	l.asking.Lock()
	defer l.asking.Unlock()
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
	if ctx.Err() == nil { // who asked may have gone in the middle
		l.last, l.asked = all, time.Now()
	}
	return maps.Clone(all)
}

// watch asks for as long as somebody listens.
func (l *live) watch(ctx context.Context) {
	defer l.wg.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a store that does not answer holds up no stop
		select {
		case <-l.done:
			cancel()
		case <-ctx.Done():
		}
	}()
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

// open takes a place among the streams for whoever looks; false if there are too
// many. Close it by the function.
func (l *live) open(who string) (shut func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := 0
	for _, n := range l.streams {
		all += n
	}
	if all >= maxLive || l.streams[who] >= maxOfOne {
		return nil, false
	}
	l.streams[who]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.streams[who]--; l.streams[who] == 0 {
			delete(l.streams, who)
		}
	}, true
}

// join makes a listener.
func (l *live) join() chan map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan map[string]string, 1)
	l.clients[c] = true
	if !l.running && !l.closed() {
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
	l.mu.Lock() // nobody joins in the middle, and starts what is then not waited for
	l.ended.Do(func() { close(l.done) })
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *live) closed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
