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

// backend is the server's process at the far end of a connection. Its number may come again,
// and on another server it is somebody else's.
type backend struct {
	pid    int32
	begun  int64 // when it began, in microseconds
	server int64 // when the server did
}

// wire is a connection to the server that knows since when it waits for an answer.
type wire struct {
	net.Conn
	of *wires

	mu        sync.Mutex
	far       backend   // not known: nobody asks about the connection
	unread    int       // bytes that were sent since something came
	since     time.Time // when something was sent, or somebody came to wait for the answer
	waiting   bool      // somebody does
	moves     int       // counts what was sent and what came
	doubted   int       // moves, when the server knew of no answer to come; 0: it did
	doubtedAt time.Time // for the first time
	lost      bool      // it was given up
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
func (w *wire) late(now time.Time) (far backend, moves int, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	patience := lostAfter + time.Duration(w.unread/lostRate)*time.Second
	return w.far, w.moves, w.far.pid != 0 && w.waiting && w.unread > 0 && !w.lost && now.Sub(w.since) >= patience
}

// doubt takes in whether the server was at something for this connection after so many
// moves, and tells whether it was not for the second time, without anything in between: at
// the first, the question may just have arrived.
func (w *wire) doubt(moves int, busy bool, now time.Time) (lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case busy || w.moves != moves || !w.waiting:
		w.doubted = 0
	case w.doubted != moves:
		w.doubted, w.doubtedAt = moves, now
	default:
		return now.Sub(w.doubtedAt) >= askEvery
	}
	return false
}

// giveUp closes the connection, unless something has moved meanwhile. What the system has
// not sent yet it is not to send any more.
func (w *wire) giveUp(moves int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moves != moves || !w.waiting {
		return false
	}
	w.lost = true
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.Conn.Close()
	return true
}

// wires are the connections of a pool.
type wires struct {
	cfg   *pgx.ConnConfig // by which the server is asked
	log   *slog.Logger
	close func() // ends the watch

	mu    sync.Mutex
	all   map[*wire]struct{}
	found func() // is called when some were given up
}

// watchWires watches connections until close is called.
func watchWires(cfg *pgx.ConnConfig, log *slog.Logger) *wires {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	ws := &wires{cfg: cfg, log: log, all: map[*wire]struct{}{}, close: func() { cancel(); watching.Wait() }, found: func() {}}
	watching.Go(func() { ws.watch(ctx) })
	return ws
}

// onLoss has fn called when connections were given up.
func (ws *wires) onLoss(fn func()) {
	ws.mu.Lock()
	ws.found = fn
	ws.mu.Unlock()
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

// backendColumns tell of the process that answers: its number, when it began, and when the
// server did, each 0 if that is not told.
const backendColumns = `pg_backend_pid(),
	coalesce((SELECT CAST(extract(epoch FROM a.backend_start) * 1000000 AS BIGINT) FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()), 0),
	CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS BIGINT)`

// connected takes in where a connection leads to. A pooler in between makes up the number
// of the process that it tells at first, and then may lead to another one each time.
func (ws *wires) connected(conn *pgconn.PgConn, far backend) {
	below := conn.Conn()
	if secured, ok := below.(*tls.Conn); ok {
		below = secured.NetConn()
	}
	if w, ok := below.(*wire); ok && far.begun != 0 && uint32(far.pid) == conn.PID() { //nolint:gosec // the same number
		w.mu.Lock()
		w.far = far
		w.mu.Unlock()
	}
}

// question is a connection that has waited for long.
type question struct {
	wire  *wire
	far   backend
	moves int
}

func (ws *wires) late() (all []question) {
	now := time.Now()
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if far, moves, late := w.late(now); late {
			all = append(all, question{w, far, moves})
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
		if by == nil || by.IsClosed() {
			by = ws.connect(ctx)
		}
		idle := ask(ctx, by, all)
		tick.Reset(askEvery) // from here: two answers that come too close say no more than one
		given := 0
		for i, q := range all {
			if q.wire.doubt(q.moves, !idle[i], time.Now()) && ws.settle(ctx, by, q) {
				given++
			}
		}
		if given > 0 {
			ws.log.Warn("gave up connections to PostgreSQL whose answers were lost on the way", "connections", given)
			ws.mu.Lock()
			found := ws.found
			ws.mu.Unlock()
			found()
		}
	}
}

// connect gives a connection to ask by, or nil if there is none.
func (ws *wires) connect(ctx context.Context) *pgx.Conn {
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	by, err := pgx.ConnectConfig(ctx, ws.cfg.Copy())
	if err != nil {
		return nil // whoever waits is told by the system, or by the server when it is back
	}
	return by
}

// silent is so of a process that is there and has nothing more to say.
const silent = "(a.state LIKE 'idle%' OR a.state = 'active' AND a.wait_event = 'ClientWrite')"

// ask tells which of the server's processes have nothing more to say: they wait for the
// next question, have an answer that nobody takes, or are gone. Of those that lead to
// another server than the one that is asked nothing is known, nor where that does not tell
// what a process is at.
func ask(ctx context.Context, by *pgx.Conn, all []question) (idle map[int]bool) {
	if by == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var pids []int32
	var begun, servers []int64
	for _, q := range all {
		pids, begun, servers = append(pids, q.far.pid), append(begun, q.far.begun), append(servers, q.far.server)
	}
	rows, err := by.Query(ctx, `
		SELECT q.n - 1 FROM unnest($1::int[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS q (pid, begun, server, n)
			LEFT JOIN pg_stat_activity a ON a.pid = q.pid
		WHERE q.server = CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS BIGINT)
			AND (a.pid IS NULL OR CAST(extract(epoch FROM a.backend_start) * 1000000 AS BIGINT) <> q.begun
				OR `+silent+`)`,
		pgx.QueryExecModeExec, pids, begun, servers)
	if err != nil {
		return nil
	}
	idle = map[int]bool{}
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&n}, func() error { idle[n] = true; return nil }); err != nil {
		return nil
	}
	return idle
}

// settle gives a connection up, after the server has ended its side: what was sent may still
// be on its way, and a commit must not take effect after somebody was told of its failure.
func (ws *wires) settle(ctx context.Context, by *pgx.Conn, q question) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	// Who may not end it, or not in time, gives up the connection all the same.
	_, err := by.Exec(ctx, `SELECT pg_terminate_backend(a.pid, $3) FROM pg_stat_activity a
		WHERE a.pid = $1 AND CAST(extract(epoch FROM a.backend_start) * 1000000 AS BIGINT) = $2 AND `+silent,
		pgx.QueryExecModeExec, q.far.pid, q.far.begun, askTime.Milliseconds())
	if err != nil && ctx.Err() == nil {
		ws.log.Warn("cannot end the far side of a connection whose answer was lost", "err", err)
	}
	return q.wire.giveUp(q.moves)
}
