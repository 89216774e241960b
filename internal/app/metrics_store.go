package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ferryman/internal/db"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
)

const (
	// standingEvery is how often the store is read while somebody scrapes.
	standingEvery = 10 * time.Second
	// standingOld is when what was read is no longer told: the next scrape reads itself.
	standingOld = 3 * standingEvery
	// standingWanted is for how long after a scrape the next one is awaited.
	standingWanted = 5 * time.Minute
	// standingWait bounds how long it may take to read, and standingPing how long a store
	// may take to answer at all.
	standingWait = 5 * time.Second
	standingPing = 2 * time.Second
)

// standing is how things stand in a store at a moment, the same for all nodes.
type standing struct {
	up       bool      // the store answers; it may be too slow for the rest
	at       time.Time // by the store's clock
	loads    []outbox.Load
	oldest   map[string]time.Time
	channels map[string]outbox.Standing
	crons    map[ledger.State]int64
	nodes    map[node.State]int64
}

// readStanding reads it. All of its queries have a bound but that of crons, which goes
// over them once.
func readStanding(ctx context.Context, d *db.DB, box *outbox.Outbox, l *ledger.Ledger, book *node.Book) (s standing, err error) {
	brief, cancel := context.WithTimeout(ctx, standingPing)
	defer cancel()
	if err := d.Ping(brief); err != nil {
		return s, err
	}
	s.up, s.at = true, d.Now()
	const ever = 100 * 365 * 24 * time.Hour
	if s.loads, err = box.Loads(ctx, []time.Duration{0, ever}); err != nil {
		return s, err
	}
	if s.oldest, err = box.Oldest(ctx); err != nil {
		return s, err
	}
	if s.channels, err = box.Standing(ctx); err != nil {
		return s, err
	}
	if s.crons, err = l.StateCounts(ctx, 0); err != nil {
		return s, err
	}
	nodes, err := book.List(ctx)
	s.nodes = map[node.State]int64{}
	for _, n := range nodes {
		s.nodes[n.State]++
	}
	return s, err
}

// storeMetrics tell Prometheus how things stand in the store. As long as somebody
// scrapes, run reads it beside them: a scrape takes no time, however much there is to
// count, and waits for no store. While the store is away that is all they tell: old
// numbers would look like good ones.
type storeMetrics struct {
	read func(context.Context) (standing, error)

	mu    sync.Mutex
	last  standing
	err   error     // of the last reading
	at    time.Time // of it; zero before the first
	asked time.Time // of the last scrape

	up, deliveries, oldest, paused, crons, nodes *prometheus.Desc
}

func newStoreMetrics(r *prometheus.Registry, read func(context.Context) (standing, error)) *storeMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m := &storeMetrics{
		read: read,
		up:   desc("ferryman_store_up", "1 if the store answers, else 0."),
		deliveries: desc("ferryman_outbox_deliveries", "Deliveries that are not sent, counted up to 20000 of a channel and state.",
			"channel", "state"),
		oldest: desc("ferryman_outbox_oldest_due_seconds", "For how long the oldest delivery has been due; 0 if none is.", "channel"),
		paused: desc("ferryman_outbox_channel_paused", "1 if the channel is paused, else 0.", "channel"),
		crons:  desc("ferryman_crons", "Crons of all applications, by how they stand.", "state"),
		nodes:  desc("ferryman_nodes", "Nodes of the store, by what they are doing.", "state"),
	}
	r.MustRegister(m)
	return m
}

// Describe implements prometheus.Collector.
func (m *storeMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.up, m.deliveries, m.oldest, m.paused, m.crons, m.nodes} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *storeMetrics) Collect(ch chan<- prometheus.Metric) {
	s, err := m.standing()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(m.up, oneIf(s.up))
	if err != nil {
		return
	}
	channels := map[string]outbox.Load{}
	for name := range s.channels {
		channels[name] = outbox.Load{Due: make([]int64, 2)}
	}
	for _, l := range s.loads {
		channels[l.Channel] = l
	}
	for name, l := range channels {
		gauge(m.deliveries, float64(l.Due[0]), name, "due")
		gauge(m.deliveries, float64(l.Due[1]+l.Behind), name, "waiting")
		gauge(m.deliveries, float64(l.Sending), name, "sending")
		gauge(m.deliveries, float64(l.Failed), name, "failed")
		late := 0.0
		if since, due := s.oldest[name]; due {
			late = s.at.Sub(since).Seconds()
		}
		gauge(m.oldest, max(late, 0), name)
		gauge(m.paused, oneIf(s.channels[name].PausedBy != ""), name)
	}
	for _, state := range ledger.States() {
		gauge(m.crons, float64(s.crons[state]), string(state))
	}
	for _, state := range node.States() {
		gauge(m.nodes, float64(s.nodes[state]), string(state))
	}
}

// standing gives what was read last. Without run, or for the first scrape in a while,
// it reads. That a reading failed is kept as well: a store that does not answer is not
// asked by everybody in turn.
func (m *storeMetrics) standing() (standing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = time.Now()
	if m.at.IsZero() || m.asked.Sub(m.at) >= standingOld {
		m.last, m.err = m.readNow(context.Background()) // a collector is told of no other
		m.at = time.Now()
	}
	return m.last, m.err
}

// run reads the store as long as somebody scrapes, until ctx ends.
func (m *storeMetrics) run(ctx context.Context) {
	tick := time.NewTicker(standingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		wanted := !m.asked.IsZero() && time.Since(m.asked) < standingWanted
		m.mu.Unlock()
		if !wanted {
			continue
		}
		last, err := m.readNow(ctx)
		m.mu.Lock()
		m.last, m.err, m.at = last, err, time.Now()
		m.mu.Unlock()
	}
}

func (m *storeMetrics) readNow(ctx context.Context) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, standingWait)
	defer cancel()
	return m.read(ctx)
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
