package dialfire

import (
	"context"

	"ferryman/internal/pipeline"
)

// Inventory is all that the target holds, which a verification looks through. Each
// method that pages gives what comes after a key, in the order of the keys: "" begins,
// and nothing is the end.
type Inventory interface {
	// Owners pages through all contacts, also those of other campaigns.
	Owners(ctx context.Context, after string, limit int) ([]Owner, error)
	// Calls pages through all inbound calls likewise.
	Calls(ctx context.Context, after string, limit int) ([]HeldCall, error)
	// Parents pages through the contacts that rows of a table name in contact_id, each
	// once; the limit is one of rows.
	Parents(ctx context.Context, table *pipeline.Table, after string, limit int) ([]string, error)
	// Shared tells whether another campaign is known to be synced into the same tables.
	Shared(ctx context.Context) (bool, error)
}

// Owner is the campaign that a row says it belongs to.
type Owner struct {
	ID       string // of the row
	Campaign string // "" where the row does not say
}

// HeldCall is an inbound call that the target holds.
type HeldCall struct {
	Owner

	Started string // as the API tells times; "" is unknown
}
