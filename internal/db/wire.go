package db

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A question whose answer gets lost on the way is waited for as long as the connection
// seems to be there. Where packets vanish the system gives it up after 25 s; where something
// on the way goes on acknowledging, such as a proxy that has lost its own connection, it
// never does. Nodes promise to go on within 5 s, and cannot tell a lost answer from one that
// takes its time by waiting alone: so they ask the server what it is at.
const (
	// Who has waited for lostAfter, and for what was sent to arrive at lostRate at least,
	// is asked about.
	lostAfter = time.Second
	lostRate  = 16 << 10 // bytes a second
	// askEvery is how often the server is asked, and how often there is a look at who waits.
	askEvery = 250 * time.Millisecond
	// askTime is how long the question may take; connecting for it may take twice as long.
	askTime = time.Second
)

// errLost is what became of an answer.
var errLost = errors.New("the answer of PostgreSQL was lost on the way")

// wire is a connection to the server that knows since when it waits for an answer.
type wire struct {
	net.Conn
	of *wires

	mu      sync.Mutex
	pid     uint32    // of the server's process; 0: not told yet
	unread  int       // bytes that were sent since something came
	since   time.Time // when something was sent, or somebody came to wait for the answer
	waiting bool      // somebody does
	moves   int       // counts what was sent and what came
	lostAt  int       // moves, when the server knew of no answer to come; 0: it does
	lost    bool      // it was given up
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	w.waiting, w.since = true, time.Now()
	w.mu.Unlock()
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	if n > 0 {
		w.unread = 0
		w.moves++
	}
	if err != nil && w.lost {
		err = errLost
	}
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.unread += len(p)
	w.since = time.Now()
	w.moves++
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// NetConn is the connection below, as of a tls.Conn.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Close implements net.Conn.
func (w *wire) Close() error {
	w.of.forget(w)
	return w.Conn.Close()
}

// late tells whether it is time to ask about the connection.
func (w *wire) late(now time.Time) (pid uint32, moves int, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	patience := lostAfter + time.Duration(w.unread)*time.Second/lostRate
	return w.pid, w.moves, w.pid != 0 && w.waiting && w.unread > 0 && !w.lost && now.Sub(w.since) >= patience
}

// doubt takes in that the server was at nothing for this connection after so many moves. At
// the second time it gives it up: at the first, the question may just have arrived.
func (w *wire) doubt(moves int) (lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moves != moves || !w.waiting || w.lost {
		return false
	}
	w.lost = w.lostAt == moves
	w.lostAt = moves
	if w.lost {
		_ = w.Conn.Close()
	}
	return w.lost
}

// wires are the connections of a pool.
type wires struct {
	cfg   *pgx.ConnConfig // by which the server is asked
	log   *slog.Logger
	close func() // ends the watch

	mu  sync.Mutex
	all map[*wire]struct{}
}

// watchWires watches connections until close is called.
func watchWires(cfg *pgx.ConnConfig, log *slog.Logger) *wires {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	ws := &wires{cfg: cfg, log: log, all: map[*wire]struct{}{}, close: func() { cancel(); watching.Wait() }}
	watching.Go(func() { ws.watch(ctx) })
	return ws
}

// dial makes a connection that is watched.
func (ws *wires) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := ws.cfg.DialFunc(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, of: ws}
	ws.mu.Lock()
	ws.all[w] = struct{}{}
	ws.mu.Unlock()
	return w, nil
}

func (ws *wires) forget(w *wire) {
	ws.mu.Lock()
	delete(ws.all, w)
	ws.mu.Unlock()
}

// connected takes in which process of the server a connection leads to.
func (ws *wires) connected(_ context.Context, conn *pgconn.PgConn) error {
	below := conn.Conn()
	if secured, ok := below.(*tls.Conn); ok {
		below = secured.NetConn()
	}
	if w, ok := below.(*wire); ok {
		w.mu.Lock()
		w.pid = conn.PID()
		w.mu.Unlock()
	}
	return nil
}

// question is a connection that has waited for long.
type question struct {
	wire  *wire
	pid   uint32
	moves int
}

func (ws *wires) late() (all []question) {
	now := time.Now()
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if pid, moves, late := w.late(now); late {
			all = append(all, question{w, pid, moves})
		}
	}
	return all
}

// watch gives up connections whose answers were lost, until ctx ends. Whoever waits for
// one is told that the store does not answer, and tries again as after any other cut.
func (ws *wires) watch(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	var by *pgx.Conn // another than those, and only as long as there is something to ask
	leave := func() {
		if by != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
			defer cancel()
			_ = by.Close(closing)
			by = nil
		}
	}
	defer leave()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		all := ws.late()
		if len(all) == 0 {
			leave()
			continue
		}
		var idle map[uint32]bool
		var err error
		if by, idle, err = ws.ask(ctx, by, all); err != nil {
			continue // it cannot be told: the server may be out of reach altogether
		}
		lost := 0
		for _, q := range all {
			if idle[q.pid] && q.wire.doubt(q.moves) {
				lost++
			}
		}
		if lost > 0 {
			ws.log.Warn("gave up connections to PostgreSQL whose answers were lost on the way", "connections", lost)
		}
	}
}

// ask tells which of the server's processes have nothing more to say: they wait for the
// next question, have an answer that nobody takes, or are gone. It gives the connection to
// ask the next time by.
func (ws *wires) ask(ctx context.Context, by *pgx.Conn, all []question) (_ *pgx.Conn, idle map[uint32]bool, err error) {
	if by == nil || by.IsClosed() {
		connecting, cancel := context.WithTimeout(ctx, 2*askTime)
		defer cancel()
		if by, err = pgx.ConnectConfig(connecting, ws.cfg.Copy()); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	pids := make([]int32, len(all))
	for i, q := range all {
		pids[i] = int32(q.pid) //nolint:gosec // a process's number, of which the server has no larger ones
	}
	// A pooler in between makes up numbers, also for the connection that asks: then nothing
	// is known. Where the server does not say what a process is at, that is at something.
	rows, err := by.Query(ctx, `
		SELECT p.pid FROM unnest($1::int[]) AS p (pid) LEFT JOIN pg_stat_activity a ON a.pid = p.pid
		WHERE pg_backend_pid() = $2
			AND (a.pid IS NULL OR a.state LIKE 'idle%' OR a.state = 'active' AND a.wait_event = 'ClientWrite')`,
		pgx.QueryExecModeExec, pids, int32(by.PgConn().PID())) //nolint:gosec // as above
	if err != nil {
		return by, nil, err
	}
	idle = map[uint32]bool{}
	var pid int32
	_, err = pgx.ForEachRow(rows, []any{&pid}, func() error {
		idle[uint32(pid)] = true //nolint:gosec // as above
		return nil
	})
	return by, idle, err
}
