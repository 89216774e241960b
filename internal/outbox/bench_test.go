package outbox_test

import (
	"fmt"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
)

// onEachStore runs a benchmark on each store, durable as in production.
func onEachStore(b *testing.B, run func(b *testing.B, d *db.DB)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) {
		run(b, dbtest.Open(b, "sqlite://"+b.TempDir()+"/ferryman.db", db.Options{}))
	})
	b.Run("postgres", func(b *testing.B) { run(b, dbtest.Open(b, testdb.Postgres(b), db.Options{})) })
}

// fillOutbox stores n deliveries by SQL: of ten messages one fails, one waits and
// the others were sent; of a thousand deliveries one is an alert. Each recipient
// has ten.
func fillOutbox(tb testing.TB, d *db.DB, n int) {
	tb.Helper()
	dedupe := "randomblob(16)"
	if d.Dialect() == db.Postgres {
		dedupe = "decode(md5(CAST(n AS TEXT)), 'hex')"
	}
	const slice = 100_000
	for from := 0; from < n; from += slice {
		writeSQL(tb, d, fmt.Sprintf(`
			INSERT INTO deliveries (state, topic, channel, recipient, payload, dedupe, due_at, created_at, ended_at, last_error)
			SELECT CASE n %% 10 WHEN 0 THEN 4 WHEN 1 THEN 0 ELSE 3 END, CASE n %% 1000 WHEN 7 THEN 1 ELSE 0 END,
				CASE n %% 3 WHEN 0 THEN 'telegram' WHEN 1 THEN 'viber' ELSE 'whatsapp' END,
				CAST((CAST(n AS BIGINT) * 7919) %% %d + 10000000 AS TEXT), 'Dear customer, your parcel number ' || n || ' has arrived and waits for you.',
				%s, 1000000 + n, 1000000 + n, CASE n %% 10 WHEN 1 THEN NULL ELSE 2000000 + n END, CASE n %% 10 WHEN 0 THEN 'http_500: no' ELSE '' END
			FROM (WITH RECURSIVE up(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM up WHERE n < %d) SELECT n FROM up) AS numbers`,
			n/10, dedupe, from+1, min(from+slice, n)))
	}
}

// BenchmarkAdd adds lists of several lengths to an empty store and to one that
// holds a million deliveries.
func BenchmarkAdd(b *testing.B) {
	for _, there := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("there=%d", there), func(b *testing.B) {
			onEachStore(b, func(b *testing.B, d *db.DB) {
				fillOutbox(b, d, there)
				o, serial := outbox.New(d, outbox.Options{}), 0
				for _, n := range []int{1, 10, 100, 1000} {
					b.Run(fmt.Sprintf("list=%d", n), func(b *testing.B) {
						items := make([]outbox.Item, n)
						for b.Loop() {
							for i := range items {
								serial++
								items[i] = letterTo(fmt.Sprint((serial*7919)%99_999_989), fmt.Sprintf("Dear customer, your parcel number %d waits for you.", serial))
							}
							if got := addItems(b, d, o, outbox.Refuse, items...); got.taken != nil {
								b.Fatal("something was taken")
							}
						}
						b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "rows/s")
					})
				}
			})
		})
	}
}

// BenchmarkMillion reads from a store that holds a million deliveries.
func BenchmarkMillion(b *testing.B) {
	onEachStore(b, func(b *testing.B, d *db.DB) {
		fillOutbox(b, d, 1_000_000)
		o, ctx := outbox.New(d, outbox.Options{}), b.Context()
		message := []outbox.Topic{outbox.Message}
		filters := map[string]outbox.Filter{
			"all":                   {},
			"topic":                 {Topics: message},
			"topic/deep":            {Topics: message, After: 900_000},
			"topic/rare":            {Topics: []outbox.Topic{outbox.Alert}},
			"topic/none":            {Topics: []outbox.Topic{outbox.Contact}},
			"recipient":             {Recipient: "10000500"},
			"recipient/none":        {Recipient: "nobody"},
			"recipient/topic":       {Recipient: "10000500", Topics: message},
			"recipient/channel":     {Recipient: "10000500", Channel: "viber"},
			"failed/channel":        {States: []outbox.State{outbox.Failed}, Channel: "viber", After: 500_000},
			"failed/channel/none":   {States: []outbox.State{outbox.Failed}, Channel: "webhook/none"},
			"topic/channel":         {Topics: message, Channel: "viber", After: 500_000},
			"topic/channel/none":    {Topics: message, Channel: "webhook/none"},
			"waiting/channel/topic": {States: []outbox.State{outbox.Waiting, outbox.Behind, outbox.Sending}, Topics: message, Channel: "viber", After: 500_000},
		}
		for s := outbox.Waiting; s <= outbox.Expired; s++ {
			filters[fmt.Sprintf("topic/state=%d", s)] = outbox.Filter{Topics: message, States: []outbox.State{s}, After: 300_000}
		}
		for name, f := range filters {
			b.Run("list/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := o.List(ctx, f); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run("get", func(b *testing.B) {
			for b.Loop() {
				if _, err := o.Get(ctx, 500_000); err != nil {
					b.Fatal(err)
				}
			}
		})
		stats := func(b *testing.B) {
			for b.Loop() {
				if _, err := o.Stats(ctx); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.Run("stats/waiting=100000,failed=100000", stats)
		writeSQL(b, d, "UPDATE deliveries SET state = 0")
		b.Run("stats/waiting=1000000", stats)
	})
}
