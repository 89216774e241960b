package app

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/pipeline"
	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/sink/sqlsink"
	"ferryman/internal/source/dialfire"
	"ferryman/internal/syncs"
	"ferryman/internal/testdb"
)

// eachDatabase runs a test with a campaign that is written to a database of each kind.
func eachDatabase(t *testing.T, test func(t *testing.T, o Options, c config.Campaign)) {
	for name, fresh := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return config.SQLiteURL(filepath.Join(t.TempDir(), "target.db")) },
		"postgres": testdb.Postgres, "mysql": testdb.MySQL, "mssql": testdb.MSSQL,
	} {
		t.Run(name, func(t *testing.T) {
			url := fresh(t)
			api, err := campaign.New(campaign.Options{Contacts: 60, Fields: 1, Plain: true})
			if err != nil {
				t.Fatal(err)
			}
			upstream := httptest.NewServer(api)
			t.Cleanup(upstream.Close)
			c := config.NewCampaign()
			c.Name, c.ID, c.Mode, c.BaseURL, c.Token = "c", campaign.DefaultCampaign, config.ModeSync, upstream.URL, config.NewSecret(campaign.DefaultToken)
			c.Target, c.Connections, c.TablePrefix = config.NewSecret(url), 4, "x_"
			test(t, options(t, config.SQLiteURL(filepath.Join(t.TempDir(), "store.db"))), c)
		})
	}
}

// stray writes as another pipeline what no API lists into the tables of a campaign.
func stray(t *testing.T, c config.Campaign, as string) {
	t.Helper()
	tables := dialfire.Tables(c.TablePrefix)
	sink, err := sqlsink.Open(c.Target.Reveal(), sqlsink.Options{Pipeline: as, Tables: tables, Adapt: true, Conns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	batch := pipeline.Batch{Next: "1"}
	for _, table := range tables[1:4] {
		row := make([]any, len(table.Columns))
		row[0], row[table.Index("contact_id")] = "stray", "gone"
		batch.Changes = append(batch.Changes, pipeline.Change{Table: table, Rows: [][]any{row}})
	}
	calls := pipeline.Change{Table: tables[4]}
	for key, of := range map[string]string{"own": c.ID, "other": "OTHER"} {
		row := make([]any, len(calls.Table.Columns))
		row[0], row[calls.Table.Index("campaign_id")] = "stray "+key, of
		row[calls.Table.Index("started")] = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
		calls.Rows = append(calls.Rows, row)
	}
	batch.Changes = append(batch.Changes, calls)
	if _, err := sink.Cursor(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

func synced(t *testing.T, o Options, r ContactsRun) (run syncs.Run, undecided int64) {
	t.Helper()
	r.Observe = func(p ContactsProgress) { undecided = p.Undecided }
	run, err := SyncContacts(t.Context(), o, r)
	if err != nil || !run.OK() {
		t.Fatalf("%+v, %v", run, err)
	}
	return run, undecided
}

// surplus is how many rows of each table a verification found to be too many.
func surplus(run syncs.Run) (orphans, calls int64) {
	for _, table := range []string{"x_transactions", "x_connections", "x_recordings"} {
		orphans += run.Report.Count(table).Deleted
	}
	return orphans, run.Report.Count("x_inbound_calls").Deleted
}

// What a campaign does not have any more is told by a verification and goes with a
// repair; what may be another's stays.
func TestVerificationOfADatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, o Options, c config.Campaign) {
		synced(t, o, ContactsRun{Campaign: c})
		look, repair := ContactsRun{Campaign: c, Verify: true}, ContactsRun{Campaign: c, Verify: true, Repair: true}
		stray(t, c, "test")
		for i, step := range []struct {
			run                       ContactsRun
			orphans, calls, undecided int64
		}{
			{look, 3, 1, 0}, {look, 3, 1, 0}, {repair, 3, 1, 0}, {look, 0, 0, 0}, {repair, 0, 0, 0},
		} {
			run, undecided := synced(t, o, step.run)
			orphans, calls := surplus(run)
			if n := run.Report.Total().Written; orphans != step.orphans || calls != step.calls || undecided != step.undecided || n != 0 {
				t.Errorf("step %d: %d orphans, %d calls too many, %d undecided, %d rows differ", i, orphans, calls, undecided, n)
			}
		}
		// Now another campaign uses the tables.
		stray(t, c, "contacts/OTHER/x_")
		for i, step := range []struct {
			run              ContactsRun
			calls, undecided int64
		}{
			{look, 1, 1}, {repair, 1, 1}, {look, 0, 1},
		} {
			run, undecided := synced(t, o, step.run)
			if orphans, calls := surplus(run); orphans != 0 || calls != step.calls || undecided != step.undecided {
				t.Errorf("shared, step %d: %d orphans, %d calls too many, %d undecided", i, orphans, calls, undecided)
			}
		}
	})
}

func TestHoldingsTellWhoSharesTheTables(t *testing.T) {
	c := config.Campaign{ID: "A", TablePrefix: "x_", Target: config.NewSecret(config.SQLiteURL(filepath.Join(t.TempDir(), "t.db")))}
	for _, step := range []struct {
		pipeline string
		want     bool
	}{
		{"contacts/A/x_", false}, {"contacts/B", false}, {"contacts/B/y_", false}, {"contacts/A", false}, {"warehouses", false}, {"contacts/B/X_", true},
	} {
		sink, err := sqlsink.Open(c.Target.Reveal(), sqlsink.Options{Pipeline: step.pipeline, Tables: dialfire.Tables(c.TablePrefix), Adapt: true, Conns: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sink.Cursor(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := sink.Write(t.Context(), pipeline.Batch{Next: "1"}); err != nil {
			t.Fatal(err)
		}
		if got, err := newHoldings(sink, c).Shared(t.Context()); err != nil || got != step.want {
			t.Errorf("with %s: %t, %v", step.pipeline, got, err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
