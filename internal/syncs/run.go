package syncs

import (
	"time"

	"ferryman/internal/pipeline"
)

// Run is one execution of a sync, as its callers see it.
type Run struct {
	Execution int64     // the execution's id in the ledger
	Sync      string    // the cron's slug, such as "warehouses"
	Trigger   string    // what started it: "schedule", "http" or "cli"
	StartedAt time.Time // UTC
	EndedAt   time.Time // UTC; zero while it runs
	Report    pipeline.Report

	// Reason is the machine-readable cause of a failure, "" after a success;
	// Detail is the same for a person.
	Reason string
	Detail string
}

// OK tells whether the run ended well.
func (r Run) OK() bool { return !r.EndedAt.IsZero() && r.Reason == "" }
