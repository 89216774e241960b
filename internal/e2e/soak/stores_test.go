package soak

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"ferryman/internal/e2e/program"
	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/testdb"
)

// store is a store with the nodes that serve it, and how the soak looks at it.
type store struct {
	name     string
	postgres bool
	env      []string
	state    string
	file     string // of SQLite
	key      string // of the application that reports
	nodes    []*program.Server
	db       *sql.DB // without any of the program's own code
	server   int     // the first process of PostgreSQL; 0: not on this machine
}

// load is what comes to a store each second.
const (
	crons      = 20
	runs       = 8  // starts, each with two messages and an end
	lists      = 4  // of messages to people
	perList    = 5  // messages in one
	recipients = 50 // whom they go to
)

// Two things are set so that what grows without bound shows apart from what fills up
// slowly. A pool has as many connections as were ever needed at once, each with its
// statements; one of few is full early. And an index keeps a page as long as it
// leads to one execution, so that runs of syncs, of which 10,000 are kept, hold on to
// pages that are else empty.
const (
	pool      = 8
	keepSyncs = 10
)

// keepRuns is how many executions of a cron are kept: what comes in a sixth of the
// soak, so that their number is steady after a third.
func keepRuns(d time.Duration) int {
	return max(20, int(d.Seconds()*runs/crons/6))
}

// open makes the store ready, and starts its nodes.
func open(t *testing.T, name string, nodes int, people, centre string, d time.Duration) *store {
	t.Helper()
	_, _, wms := program.Warehouses(t)
	s := &store{name: name, postgres: name == "postgres", state: t.TempDir()}
	s.env = append(s.env, wms...)
	target := "sqlite://" + filepath.Join(t.TempDir(), "targets.db")
	var dsn string
	if s.postgres {
		url := testdb.Postgres(t)
		target = testdb.Postgres(t)
		s.env = append(s.env, fmt.Sprintf("FERRYMAN_STORE_URL=%s&pool_max_conns=%d", url, pool), "FERRYMAN_SECRET="+strings.Repeat("soak", 16))
		dsn = url
	} else {
		s.file = filepath.Join(s.state, "ferryman.db")
		dsn = "file:" + s.file + "?_pragma=busy_timeout(10000)"
	}
	campaigns := filepath.Join(t.TempDir(), "campaigns.yaml")
	text := fmt.Sprintf("campaigns:\n  - {name: sales, id: %s, token: %s, base_url: %q, target: %q, every: 1m, connections: 4, workers: 4}\n",
		campaign.DefaultCampaign, campaign.DefaultToken, centre, target)
	if err := os.WriteFile(campaigns, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env,
		"WAREHOUSE_DATABASE_URL="+target, "FERRYMAN_CAMPAIGNS_FILE="+campaigns, "INTERVAL_SCHEDULER_SECONDS=60",
		"TELEGRAM_TOKEN=1:soak", "TELEGRAM_BASE_URL="+people, "TELEGRAM_RATE=1000/s", "TELEGRAM_RECIPIENT_RATE=50/s",
		"FERRYMAN_KEEP_ATTEMPTS_DAYS=1",
	)
	s.cli(t, "app", "add", "soak")
	s.key = s.cli(t, "key", "create", "--app", "soak")
	for i := range crons {
		s.cli(t, "cron", "add", cron(i), "--app", "soak", "--max-running", "1", "--keep-runs", strconv.Itoa(keepRuns(d)))
	}
	s.cli(t, "alert", "add", "--via", "telegram", "--to", "1", "--app", "soak")
	for range nodes {
		s.nodes = append(s.nodes, program.Serve(t, binary, s.state, s.env))
		if s.postgres {
			s.state = t.TempDir() // each has a machine of its own
		}
	}
	driver := map[bool]string{true: "pgx", false: "sqlite"}[s.postgres]
	var err error
	if s.db, err = sql.Open(driver, dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	s.db.SetMaxOpenConns(1)
	if s.postgres {
		s.server = program.Postmaster(t, s.db)
	}
	if _, err := s.db.ExecContext(t.Context(), "UPDATE crons SET keep_runs = $1 WHERE kind = 'sync'", keepSyncs); err != nil {
		t.Fatal(err)
	}
	return s
}

func cron(i int) string { return fmt.Sprintf("job-%d", i) }

// cli runs the program to its end and gives what it writes.
func (s *store) cli(t *testing.T, args ...string) string {
	t.Helper()
	cmd := program.Command(t, binary, s.state, s.env, args...)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ferryman %s: %v\n%s", strings.Join(args, " "), err, problems.String())
	}
	return strings.TrimSpace(string(out))
}

// node is the address of one of the nodes, in turn.
func (s *store) node(i int) string { return s.nodes[i%len(s.nodes)].URL }

// number asks the database for a number.
func (s *store) number(t *testing.T, query string) (n float64) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return n
}

// newCentre is a campaign API of contacts that change steadily.
func newCentre(t *testing.T) string {
	t.Helper()
	c, err := campaign.New(campaign.Options{Contacts: 300, Fields: 10, Plain: true, Rate: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return server.URL
}

// client makes the witnesses' calls; it keeps its connections.
func client() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 32}}
}
