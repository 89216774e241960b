package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ferryman/internal/db"
)

// Recovery finds jobs whose process has died and hands them back. River alone
// goes by a job's age, which takes an hour. Here a node is dead when its lock is
// free: on SQLite the lock that a process holds on the store's file, on
// PostgreSQL an advisory lock that each node holds on a connection of its own
// and that the server frees when the connection breaks.
//
// This writes River's table river_job, so the versions of River in go.mod and
// the statements here belong together; the tests run them for real.

// Work of a node that died, hangs or is cut off has to go on elsewhere within 5 s, also
// on a busy machine, and one that is merely slow has to keep it. A node that says
// nothing is found out after silentAfter and deadAfter, a look of others after each,
// and as much again as River may take to fetch the job: 4.5 s at most. One that is
// killed, whose lock is free at once, after 2.5 s. A node that is slow may be silent for
// silentAfter, and if its lock was freed all the same it has deadAfter to come back: it
// then ends only what others have begun.
const (
	// recoverEvery is how often nodes look for dead ones, and so show that they live.
	recoverEvery = 250 * time.Millisecond
	// deadAfter is how long a node's lock must be seen free. When the database
	// itself restarts, all locks are free until the living take theirs again.
	deadAfter = 1500 * time.Millisecond
	// silentAfter is how long the database keeps the lock of a node of which it
	// hears nothing: one that hangs, or whose machine or network is gone.
	silentAfter = 2 * time.Second
	// answerAfter is how long the database may take to answer a look, rejoinAfter how
	// long a node tries to take its lock again.
	answerAfter = 1500 * time.Millisecond
	rejoinAfter = time.Second
	// surelyOurs is how long after it last began a look that was answered a node may go
	// on: one that is cut off ends what it runs before others begin it. Two looks, the
	// last one answered and one that is not, leave some of it to try to rejoin.
	surelyOurs = silentAfter + deadAfter - recoverEvery
	// strayAfter is how long a job of this node may count as running while no
	// handler has it.
	strayAfter = 10 * time.Second
)

// nodeKey gives the advisory lock of a node.
const nodeKey = "hashtextextended('ferryman.node:' || $1, 0)"

func (e *Engine) startRecovery(ctx, loops context.Context) error {
	if e.db.Dialect() == db.SQLite {
		if err := e.handBackAll(ctx); err != nil {
			return err
		}
		e.loops.Go(func() { e.runStrays(loops) })
		return nil
	}
	conn, err := e.lockNode(ctx)
	if err != nil {
		return fmt.Errorf("join the store's nodes: %w", err)
	}
	e.loops.Go(func() { e.runRecovery(loops, conn) })
	e.loops.Go(func() { e.runStrays(loops) })
	return nil
}

// handBackAll is for SQLite, where this process holds the store: whatever is
// running was left by a dead one.
func (e *Engine) handBackAll(ctx context.Context) error {
	var n int64
	err := e.db.Tx(ctx, func(tx *db.Tx) (err error) {
		n, err = tx.Exec(ctx, "UPDATE river_job SET state = 'available' WHERE state = 'running'")
		return err
	})
	if err != nil {
		return fmt.Errorf("hand back stranded jobs: %w", err)
	}
	if n > 0 {
		e.log.Warn("took over jobs of a process that died", "jobs", n)
	}
	return nil
}

// lockNode takes the node's lock on a new connection, which no pool can run out of. An
// old one of this node's that has broken may hold the lock for a moment more.
func (e *Engine) lockNode(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, e.db.Pool().Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	millis := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	_, err = conn.Exec(ctx, "SELECT set_config('enable_seqscan', 'off', false), set_config('idle_session_timeout', $1, false), set_config('lock_timeout', $2, false)",
		millis(silentAfter), millis(rejoinAfter/2))
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock("+nodeKey+")", e.node)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "55P03" {
		err = fmt.Errorf("a node named %s is running already", e.node)
	}
	if err != nil {
		closeConn(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// runRecovery holds this node's lock and takes over the jobs of nodes whose lock
// stays free, until ctx ends.
func (e *Engine) runRecovery(ctx context.Context, conn *pgx.Conn) {
	defer func() { closeConn(ctx, conn) }()
	tick := time.NewTicker(recoverEvery)
	defer tick.Stop()
	aliveAt := time.Now()
	var handing atomic.Bool
	freeSince := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var free []string
		var err error
		asked := time.Now()
		if conn != nil {
			free, err = e.freeNodes(ctx, conn)
		}
		if conn == nil || conn.IsClosed() {
			closeConn(ctx, conn)
			asked = time.Now()
			if conn = e.rejoin(ctx, aliveAt); conn != nil {
				aliveAt = asked
			}
			clear(freeSince)
			continue
		}
		aliveAt = asked
		if err != nil {
			if ctx.Err() == nil {
				e.log.Warn("look for dead nodes", "err", err)
			}
			continue
		}
		// Beside the looks: they must go on whatever stands in the way of this.
		if dead := deadNodes(free, freeSince); len(dead) > 0 && handing.CompareAndSwap(false, true) {
			e.loops.Go(func() {
				defer handing.Store(false)
				if err := e.handBackDead(ctx, dead); err != nil && ctx.Err() == nil {
					e.log.Warn("take over from dead nodes", "err", err)
				}
			})
		}
	}
}

// rejoin takes the node's lock again, and ends what others have begun meanwhile; or all
// that runs here, if it cannot and others may have seen the lock free for too long.
func (e *Engine) rejoin(ctx context.Context, aliveAt time.Time) *pgx.Conn {
	trying, cancel := context.WithTimeout(ctx, rejoinWithin(time.Since(aliveAt)))
	defer cancel()
	conn, err := e.lockNode(trying)
	begun := e.runningPlaces()
	var kept []place
	if err == nil { // from here on nobody takes anything away
		kept, err = runningOf(trying, conn, e.node)
	}
	switch {
	case err == nil && ctx.Err() == nil:
		e.lose(slices.DeleteFunc(begun, func(p place) bool { return slices.Contains(kept, p) }))
		e.log.Info("rejoined the store's nodes")
		return conn
	case ctx.Err() == nil:
		e.log.Warn("rejoin the store's nodes", "err", err)
		if time.Since(aliveAt) > deadAfter-recoverEvery {
			e.lose(begun)
		}
	}
	closeConn(ctx, conn)
	return nil
}

// rejoinWithin is how long a node tries to take its lock again that has been silent for
// so long. One that comes back later than in time may as well ask what is still its own.
func rejoinWithin(silent time.Duration) time.Duration {
	if left := surelyOurs - silent; left > 0 {
		return min(left, rejoinAfter)
	}
	return rejoinAfter
}

func runningOf(ctx context.Context, conn *pgx.Conn, node string) ([]place, error) {
	rows, err := conn.Query(ctx, "SELECT id, attempt FROM river_job WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)] = $1", node)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (p place, err error) {
		err = r.Scan(&p.job, &p.attempt)
		return p, err
	})
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// runningPlaces are the jobs whose handlers run here, each at its attempt.
func (e *Engine) runningPlaces() []place {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Keys(e.running))
}

// lose ends jobs that others may have begun.
func (e *Engine) lose(all []place) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range all {
		if cancel := e.running[p]; cancel != nil {
			cancel(ErrLost)
		}
	}
}

// deadNodes are those whose lock has been free for long enough. freeSince remembers
// when each was first seen free.
func deadNodes(free []string, freeSince map[string]time.Time) (dead []string) {
	for node := range freeSince {
		if !slices.Contains(free, node) {
			delete(freeSince, node)
		}
	}
	for _, node := range free {
		since, seen := freeSince[node]
		if !seen {
			freeSince[node] = time.Now()
		} else if time.Since(since) >= deadAfter {
			dead = append(dead, node)
		}
	}
	return dead
}

// handBackDead gives the jobs of dead nodes back to the queue.
func (e *Engine) handBackDead(ctx context.Context, dead []string) error {
	ctx, cancel := context.WithTimeout(ctx, answerAfter)
	defer cancel()
	for _, node := range dead {
		n, err := e.handBack(ctx, node)
		if err != nil {
			return err
		}
		if n > 0 {
			e.log.Warn("took over jobs of a node that died", "dead", node, "jobs", n)
		}
	}
	return nil
}

// freeNodes are the other nodes that own running jobs and hold no lock. They are asked
// for on the connection that holds this node's, which shows that it lives.
func (e *Engine) freeNodes(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerAfter)
	defer cancel()
	rows, err := conn.Query(ctx, `
		WITH owner AS (
			SELECT DISTINCT attempted_by[array_upper(attempted_by, 1)] AS node
			FROM river_job
			WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)] <> $1
		), held AS (
			SELECT (classid::bigint << 32) | objid::bigint AS key
			FROM pg_locks
			WHERE locktype = 'advisory' AND objsubid = 1 AND granted
			  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		)
		SELECT node FROM owner
		WHERE hashtextextended('ferryman.node:' || node, 0) NOT IN (SELECT key FROM held)`, e.node)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// handBack gives one dead node's jobs back, if its lock is still free.
func (e *Engine) handBack(ctx context.Context, node string) (n int64, err error) {
	err = e.db.Tx(ctx, func(tx *db.Tx) error {
		var free bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock("+nodeKey+")", node).Scan(&free); err != nil || !free {
			return err
		}
		n, err = tx.Exec(ctx, `
			UPDATE river_job SET state = 'available'
			WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)] = $1`, node)
		return err
	})
	return n, err
}
