package ledger

import (
	"sync"

	"ferryman/internal/schedule"
)

// plans keeps parsed schedules: parsing one takes longer than asking it.
type plans struct {
	mu  sync.Mutex
	all map[[2]string]schedule.Schedule
}

const maxPlans = 10_000

// get gives a cron's schedule. One that cannot be read, because a newer version
// wrote it, expects nothing.
func (p *plans) get(cron *Cron) schedule.Schedule {
	if cron.Schedule == "" {
		return schedule.Schedule{}
	}
	key := [2]string{cron.Schedule, cron.Zone}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, known := p.all[key]
	if known {
		return s
	}
	s, err := schedule.Parse(cron.Schedule, cron.Zone)
	if err != nil {
		s = schedule.Schedule{}
	}
	if p.all == nil || len(p.all) >= maxPlans {
		p.all = map[[2]string]schedule.Schedule{}
	}
	p.all[key] = s
	return s
}
