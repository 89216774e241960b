package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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

const (
	// recoverEvery is how often nodes look for dead ones and show that they live.
	recoverEvery = 500 * time.Millisecond
	// deadAfter is how long a node's lock must be seen free. When the database
	// itself restarts, all locks are free until the living take theirs again.
	deadAfter = 2 * time.Second
	// silentAfter is how long the database keeps the lock of a node of which it
	// hears nothing: one that hangs, or whose machine or network is gone.
	silentAfter = 4 * time.Second
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

func (e *Engine) lockNode(ctx context.Context) (*pgx.Conn, error) {
	pooled, err := e.db.Pool().Acquire(ctx)
	if err != nil {
		return nil, err
	}
	conn := pooled.Hijack()
	var ok bool
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock("+nodeKey+")", e.node).Scan(&ok)
	if err == nil && !ok {
		err = fmt.Errorf("a node named %s is running already", e.node)
	}
	if err == nil {
		_, err = conn.Exec(ctx, fmt.Sprintf("SET idle_session_timeout = %d", silentAfter.Milliseconds()))
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
	freeSince := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if conn == nil || !alive(ctx, conn) {
			closeConn(ctx, conn)
			conn = e.rejoin(ctx, aliveAt)
			if conn == nil {
				continue
			}
			clear(freeSince)
		}
		aliveAt = time.Now()
		if err := e.handBackDead(ctx, freeSince); err != nil && ctx.Err() == nil {
			e.log.Warn("look for dead nodes", "err", err)
		}
	}
}

// rejoin takes the node's lock again, and ends what runs here if others may have
// seen the lock free for too long: they may begin our jobs again.
func (e *Engine) rejoin(ctx context.Context, aliveAt time.Time) *pgx.Conn {
	trying, cancel := context.WithTimeout(ctx, deadAfter/2)
	defer cancel()
	conn, err := e.lockNode(trying)
	if ctx.Err() != nil {
		closeConn(ctx, conn)
		return nil
	}
	if time.Since(aliveAt) > deadAfter-recoverEvery {
		e.cancelRunning(ErrLost)
	}
	if err != nil {
		e.log.Warn("rejoin the store's nodes", "err", err)
		return nil
	}
	e.log.Info("rejoined the store's nodes")
	return conn
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

func alive(ctx context.Context, conn *pgx.Conn) bool {
	// Silence for so long frees the lock: then it is two seconds to a takeover.
	ctx, cancel := context.WithTimeout(ctx, silentAfter)
	defer cancel()
	return conn.Ping(ctx) == nil
}

func (e *Engine) cancelRunning(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, cancel := range e.running {
		cancel(cause)
	}
}

// handBackDead gives the jobs of nodes whose lock has been free for long enough
// back to the queue. freeSince remembers when each was first seen free.
func (e *Engine) handBackDead(ctx context.Context, freeSince map[string]time.Time) error {
	free, err := e.freeNodes(ctx)
	if err != nil {
		return err
	}
	for node := range freeSince {
		if !slices.Contains(free, node) {
			delete(freeSince, node)
		}
	}
	for _, node := range free {
		since, seen := freeSince[node]
		if !seen {
			freeSince[node] = time.Now()
			continue
		}
		if time.Since(since) < deadAfter {
			continue
		}
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

// freeNodes are the other nodes that own running jobs and hold no lock.
func (e *Engine) freeNodes(ctx context.Context) ([]string, error) {
	rows, err := e.db.Pool().Query(ctx, `
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
