package outbox

import "context"

// Rest has this process claim nothing more, and returns once what it has claimed is
// sent and noted, or with the error of ctx when that ends before. Attempts have all
// the time that their channel gives them. The rest of what Run does goes on, the
// lease above all: nobody takes over what is under way.
func (o *Outbox) Rest(ctx context.Context) error {
	o.mu.Lock()
	o.rests++
	rest := o.rests
	o.resting.Store(rest)
	for d := range o.looping {
		d.wake()
	}
	o.mu.Unlock()
	for !o.allRested(rest) {
		select {
		case <-o.rested:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// EndRest has this process send again after Rest.
func (o *Outbox) EndRest() {
	o.resting.Store(0)
	o.Wake()
}

func (o *Outbox) allRested(rest int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for d := range o.looping {
		if d.rested.Load() != rest {
			return false
		}
	}
	return true
}

// settle tells whoever waits for a rest that a dispatcher has come to it, or is gone.
func (o *Outbox) settle() {
	select {
	case o.rested <- struct{}{}:
	default: // it is told already
	}
}

// repose tells whether nothing more is to be claimed, and notes when nothing is under
// way any more.
func (d *dispatcher) repose() bool {
	rest := d.o.resting.Load()
	if rest != 0 && d.rested.Load() != rest && d.flying == 0 && len(d.unnoted) == 0 && len(d.doubtful) == 0 {
		d.rested.Store(rest)
		d.o.settle()
	}
	return rest != 0
}
