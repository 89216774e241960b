package sqlsink

import (
	"context"
	"sync"
)

// descriptions are tables as Pick has seen them, until this sink alters one, begins
// another run, or is told that one is not what it was. It is asked for every page of
// a list, and to look anew each time takes longer than what it is asked.
type descriptions struct {
	mu     sync.Mutex
	round  int // counts how often all was forgotten
	tables map[string]*description
}

// of is a table as it was seen last; nil is one that does not exist yet, which is
// not remembered. Nor is any where a column that is missing would not be noticed.
func (g *descriptions) of(ctx context.Context, d dialect, q querier, table string) (*description, error) {
	g.mu.Lock()
	have, round := g.tables[table], g.round
	g.mu.Unlock()
	if have != nil {
		return have, nil
	}
	have, err := d.describe(ctx, q, table)
	if err != nil || have == nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.round == round && !d.traits().mistakesNames { // of another round it may be out of date
		if g.tables == nil {
			g.tables = map[string]*description{}
		}
		g.tables[table] = have
	}
	return have, nil
}

func (g *descriptions) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.round++
	clear(g.tables)
}
