package ledger

import (
	"context"
	"sync"
)

// homes remembers to which cron and application the newest executions belong: it
// never changes, and most calls are about an execution that has just begun here.
type homes struct {
	mu  sync.Mutex
	all map[int64]home
	old map[int64]home // the generation before, dropped when all is full
}

type home struct {
	cron, app int64
	own       bool
}

const homesKept = 50_000 // in a generation

func (h *homes) put(e Execution, own bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil || len(h.all) >= homesKept {
		h.old, h.all = h.all, make(map[int64]home)
	}
	h.all[e.ID] = home{cron: e.CronID, app: e.AppID, own: own}
}

func (h *homes) get(id int64) (home, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, known := h.all[id]
	if !known {
		at, known = h.old[id]
	}
	return at, known
}

// cronOf gives the cron of an execution that ran and belongs to app, or to any
// application if app is 0, and whose application reports on it. It gives
// ErrNoExecution.
func (l *Ledger) cronOf(ctx context.Context, app, id int64) (int64, error) {
	at, known := l.homes.get(id)
	if !known {
		err := l.db.QueryRow(ctx, `SELECT e.cron_id, e.application_id, c.kind = 'sync' FROM executions e JOIN crons c ON c.id = e.cron_id
			WHERE e.id = $1 AND e.status NOT IN ('missed', 'skipped')`, id).Scan(&at.cron, &at.app, &at.own)
		if err != nil {
			return 0, noExecution(err)
		}
	}
	if app != 0 && (at.own || at.app != app) {
		return 0, ErrNoExecution
	}
	return at.cron, nil
}
