package soak

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
)

// bound is how much a series may grow over the stretch that is judged.
type bound struct {
	share float64 // of its median
	whole float64 // or this, if it is more
	grows bool    // as it should: not judged
}

// What is measured in units that are not shared out, such as connections, does not
// grow by one; memory and rows by 5 %, of which some is noise; what files occupy
// depends on when the database last tidied up.
func steady() bound   { return bound{whole: 1} }
func memory() bound   { return bound{share: 0.05} }
func rows() bound     { return bound{share: 0.05, whole: 50} }
func occupied() bound { return bound{share: 0.10, whole: 0.2} }
func growing() bound  { return bound{grows: true} }

// series are the values of one thing, one of each sample; NaN where it was not seen.
type series struct {
	of, what, unit string
	bound          bound
	values         []float64
}

// samples is what was seen, in the order of time.
type samples struct {
	at   []time.Duration // since the beginning
	all  []*series
	find map[string]*series
}

// begin makes room for a sample.
func (s *samples) begin(at time.Duration) {
	s.at = append(s.at, at)
	for _, one := range s.all {
		one.values = append(one.values, math.NaN())
	}
}

func (s *samples) note(of, what, unit string, b bound, value float64) {
	if s.find == nil {
		s.find = map[string]*series{}
	}
	one := s.find[of+what]
	if one == nil {
		one = &series{of: of, what: what, unit: unit, bound: b}
		for range s.at {
			one.values = append(one.values, math.NaN())
		}
		s.find[of+what] = one
		s.all = append(s.all, one)
	}
	one.values[len(one.values)-1] = value
}

const mega = 1 << 20

// look takes a sample of a store and its nodes.
func (s *samples) look(t *testing.T, w *witness) {
	var goroutines, files float64
	for i, n := range w.s.nodes {
		name := fmt.Sprintf("%s node %d", w.s.name, i+1)
		told := scrape(t, n)
		s.note(name, "memory", "MB", memory(), told["process_resident_memory_bytes"]/mega)
		s.note(name, "heap", "MB", memory(), told["go_memstats_next_gc_bytes"]/mega)
		goroutines += told["go_goroutines"]
		files += told["process_open_fds"]
		s.note(name, "CPU", "s", growing(), program.CPU(n.Cmd.Process.Pid).Seconds())
	}
	// Of all nodes together: a connection, with what serves it, that ends on one and begins on the other is no growth.
	s.note(w.s.name, "goroutines", "", steady(), goroutines)
	s.note(w.s.name, "open files", "", steady(), files)
	for _, table := range []string{"executions", "messages", "attempts", "river_job"} {
		s.note(w.s.name, "rows of "+table, "", rows(), w.s.number(t, "SELECT count(*) FROM "+table))
	}
	if w.s.postgres {
		s.lookAtPostgres(t, w)
	} else {
		for what, file := range map[string]string{"file": w.s.file, "log": w.s.file + "-wal"} {
			if info, err := os.Stat(file); err == nil {
				s.note(w.s.name, what, "MB", map[string]bound{"file": growing(), "log": occupied()}[what], float64(info.Size())/mega)
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.note(w.s.name, "executions ended", "", growing(), float64(len(w.ended)))
	s.note(w.s.name, "messages accepted", "", growing(), float64(w.accepted))
}

func (s *samples) lookAtPostgres(t *testing.T, w *witness) {
	s.note(w.s.name, "connections", "", steady(), w.s.number(t,
		"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"))
	for _, table := range []string{"executions", "messages", "attempts", "river_job"} {
		s.note(w.s.name, "size of "+table, "MB", occupied(), w.s.number(t, "SELECT pg_total_relation_size('"+table+"')")/mega)
	}
	s.note(w.s.name, "size of deliveries", "MB", growing(), w.s.number(t, "SELECT pg_total_relation_size('deliveries')")/mega)
	s.note(w.s.name, "size of all else", "MB", occupied(), w.s.number(t, `SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables
		WHERE relname NOT IN ('executions', 'messages', 'attempts', 'river_job', 'deliveries', 'events')`)/mega)
	s.note(w.s.name, "dead rows but of deliveries", "", bound{share: 0.25, whole: 1000},
		w.s.number(t, "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname <> 'deliveries'"))
	s.note(w.s.name, "dead rows of deliveries", "", growing(),
		w.s.number(t, "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'deliveries'"))
	s.note(w.s.name, "write-ahead log kept", "MB", growing(), w.s.number(t, "SELECT sum(size) FROM pg_ls_waldir()")/mega)
	if w.s.server != 0 {
		const name = "PostgreSQL's server"
		s.note(name, "memory of its own", "MB", bound{share: 0.10}, float64(program.MemoryOfAll(w.s.server))/mega)
		s.note(name, "CPU", "s", growing(), program.CPUOfAll(w.s.server).Seconds())
	}
}

// scrape reads a node's metrics, those without labels.
func scrape(t *testing.T, n *program.Server) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("metrics: %v", err)
		return all
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && !strings.HasPrefix(name, "#") {
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				all[name] = n
			}
		}
	}
	return all
}
