package app

import (
	"context"
	"slices"
	"strings"

	"ferryman/internal/config"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/sqlsink"
	"ferryman/internal/source/dialfire"
)

// holdings is what a target holds of a campaign, and of others in the same tables.
type holdings struct {
	target          *sqlsink.Sink
	campaign        config.Campaign
	contacts, calls *pipeline.Table
}

func newHoldings(target *sqlsink.Sink, c config.Campaign) holdings {
	tables := dialfire.Tables(c.TablePrefix)
	return holdings{target, c, tables[0], tables[len(tables)-1]}
}

// Contacts implements dialfire.Holdings.
func (h holdings) Contacts(ctx context.Context, ids []string) (map[string]dialfire.Held, error) {
	keys := make([]any, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	rows, err := h.target.Pick(ctx, h.contacts, []string{"$md5", "$version"}, keys)
	if err != nil {
		return nil, err
	}
	held := make(map[string]dialfire.Held, len(rows))
	for _, row := range rows {
		held[textOf(row[0])] = dialfire.Held{MD5: textOf(row[1]), Version: textOf(row[2])}
	}
	return held, nil
}

// Owners implements dialfire.Inventory.
func (h holdings) Owners(ctx context.Context, after string, limit int) ([]dialfire.Owner, error) {
	rows, err := h.target.List(ctx, only(h.contacts, "$id", "$campaign_id"), after, limit)
	owners := make([]dialfire.Owner, len(rows))
	for i, row := range rows {
		owners[i] = dialfire.Owner{ID: textOf(row[0]), Campaign: textOf(row[1])}
	}
	return owners, err
}

// Calls implements dialfire.Inventory.
func (h holdings) Calls(ctx context.Context, after string, limit int) ([]dialfire.HeldCall, error) {
	rows, err := h.target.List(ctx, only(h.calls, "id", "campaign_id", "started"), after, limit)
	calls := make([]dialfire.HeldCall, len(rows))
	for i, row := range rows {
		calls[i] = dialfire.HeldCall{Owner: dialfire.Owner{ID: textOf(row[0]), Campaign: textOf(row[1])}, Started: textOf(row[2])}
	}
	return calls, err
}

// Parents implements dialfire.Inventory. Rows that name no contact come before the
// first that does.
func (h holdings) Parents(ctx context.Context, table *pipeline.Table, after string, limit int) ([]string, error) {
	rows, err := h.target.List(ctx, only(table, "contact_id"), after, limit)
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = textOf(row[0])
	}
	return slices.Compact(ids), err
}

// Shared implements dialfire.Inventory. Some databases take names of tables for the
// same that differ in case.
func (h holdings) Shared(ctx context.Context) (bool, error) {
	all, err := h.target.Pipelines(ctx)
	return slices.ContainsFunc(all, func(name string) bool {
		kind, rest, _ := strings.Cut(name, "/")
		id, prefix, _ := strings.Cut(rest, "/")
		return kind == contactsPrefix && id != h.campaign.ID && strings.EqualFold(prefix, h.campaign.TablePrefix)
	}), err
}

// only is a table with some of its columns, to be read in the order of the first.
func only(t *pipeline.Table, columns ...string) *pipeline.Table {
	bare := *t
	bare.Stamps, bare.Columns, bare.Key = nil, nil, columns[:1]
	for _, name := range columns {
		bare.Columns = append(bare.Columns, t.Columns[t.Index(name)])
	}
	return &bare
}

// textOf is a value of a column of text; NULL is "".
func textOf(v any) string {
	text, _ := v.(string)
	return text
}
