package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/testwait"
)

// cluster is some nodes that serve one PostgreSQL store, as users run them.
type cluster struct {
	nodes      []*node
	state      string
	env        []string
	store      database
	postmaster int // the first process of the server; 0 if it is not seen from here
}

func newCluster(b *testing.B, nodes int, env ...string) *cluster {
	b.Helper()
	c := &cluster{state: b.TempDir(), store: postgresDatabase(b)}
	c.env = append([]string{"FERRYMAN_STORE_URL=" + c.store.url, "FERRYMAN_SECRET=" + strings.Repeat("bench", 8), "FERRYMAN_KEY_RATE=0"}, env...)
	for range nodes {
		c.nodes = append(c.nodes, serve(b, b.TempDir(), c.env))
	}
	c.postmaster = program.Postmaster(b, c.store.DB)
	return c
}

// work is what something took of the processor: the nodes together, the database
// server, and all else, which is what plays the outside world.
type work struct{ nodes, database, rest time.Duration }

func (c *cluster) cpu(b *testing.B) (w work) {
	b.Helper()
	for _, n := range c.nodes {
		w.nodes += n.cpu(b)
	}
	w.database = program.CPUOfAll(c.postmaster)
	w.rest = program.CPU(os.Getpid())
	return w
}

// report tells how many units a second were done, and what a unit took.
func (c *cluster) report(b *testing.B, unit string, n int, took time.Duration, before work) {
	b.Helper()
	after := c.cpu(b)
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	b.ReportMetric(float64(n)/took.Seconds(), unit+"/s")
	b.ReportMetric(each(after.nodes-before.nodes), "node-µs")
	b.ReportMetric(each(after.database-before.database), "database-µs")
	b.ReportMetric(each(after.rest-before.rest), "clients-µs")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkNodes has one, two and four nodes do what one store can carry. They, the
// database and the clients share the machine: what each part took of the processor
// is told apart.
func BenchmarkNodes(b *testing.B) {
	for _, of := range []struct {
		what string
		does func(b *testing.B, nodes int)
	}{
		{"deliver", deliverByNodes}, {"pairs", pairsOnNodes}, {"accept/list=1", acceptBy(1, 32, 20_000)},
		{"accept/list=1000", acceptBy(1000, 8, 200_000)}, {"syncs", syncsOnNodes},
	} {
		for _, nodes := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s/nodes=%d", of.what, nodes), func(b *testing.B) {
				for b.Loop() {
					of.does(b, nodes)
				}
			})
		}
	}
}

// deliverByNodes has messages that wait delivered to a local messenger.
func deliverByNodes(b *testing.B, nodes int) {
	const all = 40_000
	s := newSink(b)
	c := newCluster(b, nodes, s.env()...)
	ferryman(b, c.state, c.env, "outbox", "pause", "telegram", "--reason", "to fill it")
	s.expect(all)
	for i := range all / 1000 {
		c.nodes[i%nodes].mustPost(messages(i*1000, 1000))
	}
	before, begun := c.cpu(b), time.Now()
	ferryman(b, c.state, c.env, "outbox", "resume", "telegram")
	s.await(b)
	c.report(b, "messages", all, time.Since(begun), before)
	c.store.awaitSent(b, all)
}

// pairsOnNodes starts and ends executions by 32 clients, spread over the nodes.
func pairsOnNodes(b *testing.B, nodes int) {
	const clients, lasts = 32, 6 * time.Second
	c := newCluster(b, nodes, manual)
	ferryman(b, c.state, c.env, "app", "add", "bench")
	key := ferryman(b, c.state, c.env, "key", "create", "--app", "bench")
	for i := range clients {
		ferryman(b, c.state, c.env, "cron", "add", fmt.Sprintf("job-%d", i), "--app", "bench", "--max-running", "1")
	}
	took := make([][]time.Duration, clients)
	before, begun := c.cpu(b), time.Now()
	var all sync.WaitGroup
	for i := range clients {
		r := newReporter(b, c.nodes[i%nodes].url, key)
		all.Go(func() {
			for time.Since(begun) < lasts {
				from := time.Now()
				start, err := r.post(fmt.Sprintf("/api/job-%d/start", i), "")
				if err != nil || start.status != 200 {
					b.Errorf("start: %d, %v", start.status, err)
					return
				}
				middle := time.Now()
				if end, err := r.post(fmt.Sprintf("/api/%d/end", start.ID), succeeded); err != nil || end.status != 200 {
					b.Errorf("end: %d, %v", end.status, err)
					return
				}
				took[i] = append(took[i], middle.Sub(from), time.Since(middle))
			}
		})
	}
	all.Wait()
	calls := slices.Concat(took...)
	c.report(b, "pairs", len(calls)/2, time.Since(begun), before)
	slices.Sort(calls)
	b.ReportMetric(float64(calls[len(calls)*99/100].Microseconds())/1000, "p99-ms")
}

// acceptBy posts messages that are not sent yet in lists, spread over the nodes.
func acceptBy(list, clients, n int) func(b *testing.B, nodes int) {
	return func(b *testing.B, nodes int) {
		c := newCluster(b, nodes, newSink(b).env()...)
		before := c.cpu(b)
		rate := acceptOn(b, c.nodes, 0, n, list, clients)
		c.report(b, "messages", n, time.Duration(float64(n)/rate*float64(time.Second)), before)
	}
}

// syncsOnNodes runs a hundred syncs of campaigns in which nothing changes, each as
// often as it can be: once a second. What is done of these hundred a second is told,
// and what one costs.
func syncsOnNodes(b *testing.B, nodes int) {
	const campaigns, lasts = 100, 10 * time.Second
	centre, web := newCallCentre(b, campaign.Options{Contacts: 20, Fields: 5, Plain: true}), newService(b)
	var text strings.Builder
	for i := range campaigns {
		fmt.Fprintf(&text, "  - {name: c%d, id: %s, token: %s, base_url: %q, target: %q, mode: webhook, every: 1s}\n",
			i, campaign.DefaultCampaign, campaign.DefaultToken, centre.url, web.url)
	}
	file := filepath.Join(b.TempDir(), "campaigns.yaml")
	if err := os.WriteFile(file, []byte("campaigns:\n"+text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	c := newCluster(b, nodes, manual, "FERRYMAN_CAMPAIGNS_FILE="+file)
	const ended = "SELECT count(*) FROM executions WHERE status = 'success'"
	done := func() int {
		n, err := strconv.Atoi(c.store.column(b, ended)[0])
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	testwait.Until(b, "each has run", func() bool { return done() >= 2*campaigns })
	before, begun, first := c.cpu(b), time.Now(), done()
	<-time.After(lasts)
	c.report(b, "syncs", done()-first, time.Since(begun), before)
	if n := c.store.column(b, "SELECT count(*) FROM executions WHERE status NOT IN ('success', 'running')")[0]; n != "0" {
		b.Errorf("%s runs did not succeed", n)
	}
}
