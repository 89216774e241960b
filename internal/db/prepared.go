package db

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// prepared keeps statements of a SQLite pool compiled: compiling one takes longer
// than running it. PostgreSQL's driver does so itself.
//
// A statement is compiled for the pool and not for a transaction, so it must be
// done while the caller holds none of the pool's connections: what a transaction
// would have needed is there for the next one.
type prepared struct {
	pool *sql.DB

	mu     sync.RWMutex
	ready  map[string]*sql.Stmt
	uses   map[string]int // of those that are not ready
	wanted []string
}

const (
	preparedAfter = 3   // uses: the statements of a migration run once
	preparedMost  = 500 // texts that are ready, and as many that are counted: some differ each time
)

func newPrepared(pool *sql.DB) *prepared {
	return &prepared{pool: pool, ready: map[string]*sql.Stmt{}, uses: map[string]int{}}
}

// get gives the compiled statement, nil if there is none yet.
func (p *prepared) get(query string) *sql.Stmt {
	p.mu.RLock()
	s := p.ready[query]
	p.mu.RUnlock()
	if s != nil {
		return s
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ready) >= preparedMost {
		return nil
	}
	if len(p.uses) >= preparedMost {
		clear(p.uses)
	}
	if p.uses[query]++; p.uses[query] == preparedAfter {
		p.wanted = append(p.wanted, query)
	}
	return nil
}

// catchUp compiles what was wanted. One that cannot be, or not before ctx ends, is
// counted anew.
func (p *prepared) catchUp(ctx context.Context) {
	p.mu.Lock()
	wanted := p.wanted
	p.wanted = nil
	p.mu.Unlock()
	for _, query := range wanted {
		p.mu.RLock()
		known := p.ready[query] != nil
		p.mu.RUnlock()
		if known { // it was counted twice at a time
			continue
		}
		s, err := p.pool.PrepareContext(ctx, query) //nolint:sqlclosecheck // close does so
		p.mu.Lock()
		delete(p.uses, query)
		if err == nil {
			p.ready[query] = s
		}
		p.mu.Unlock()
	}
}

func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.ready {
		errs = append(errs, s.Close())
	}
	clear(p.ready)
	return errors.Join(errs...)
}
