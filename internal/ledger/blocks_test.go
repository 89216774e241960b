package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// Blocks are the hours of a cron, some at a time.
func TestBlocksAreHoursTogether(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l, app, rounds := ledger.New(d), addApp(t, d, "shop"), 0
		now := d.Now().Truncate(time.Hour)
		rapid.Check(t, func(r *rapid.T) {
			rounds++
			var ids []int64
			for i := range 3 {
				cron := create(t, l, app, fmt.Sprintf("job-%d-%d", rounds, i), nil)
				ids = append(ids, cron.ID)
				for hour := range rapid.IntRange(0, 20).Draw(r, "hours") {
					status := rapid.SampledFrom([]ledger.Status{ledger.Success, ledger.Failed, ledger.Missed}).Draw(r, "status")
					exec(t, d, "INSERT INTO execution_hours (cron_id, at, status, n, took) VALUES ($1, $2, $3, CAST($4 AS BIGINT), 7 * CAST($4 AS BIGINT))",
						cron.ID, db.Time{Time: now.Add(-time.Duration(hour) * time.Hour)}, string(status), rapid.IntRange(0, 3).Draw(r, "n"))
				}
			}
			f := ledger.BlockFilter{
				Crons: ids[:2], Since: now.Add(-time.Duration(rapid.IntRange(0, 1000).Draw(r, "since")) * time.Minute),
				Until: now.Add(time.Duration(rapid.IntRange(-100, 60).Draw(r, "until")) * time.Minute),
				Every: time.Duration(rapid.IntRange(1, 6).Draw(r, "every")) * time.Hour,
			}
			got, err := l.Blocks(t.Context(), f)
			if err != nil {
				r.Fatal(err)
			}
			for i, id := range ids {
				var want []ledger.Hour
				hours, err := l.Hours(t.Context(), ledger.HourFilter{Cron: id, Since: f.Since, Until: f.Until})
				if err != nil {
					r.Fatal(err)
				}
				first := f.Since.Truncate(time.Hour)
				for _, h := range hours {
					at := first.Add(h.At.Sub(first).Truncate(f.Every))
					if len(want) == 0 || !want[len(want)-1].At.Equal(at) {
						want = append(want, ledger.Hour{At: at})
					}
					sum := &want[len(want)-1].Tally
					sum.Success, sum.Failed, sum.Missed, sum.Took = sum.Success+h.Success, sum.Failed+h.Failed, sum.Missed+h.Missed, sum.Took+h.Took
				}
				if i == 2 {
					want = nil // it was not asked for
				}
				if fmt.Sprint(got[id]) != fmt.Sprint(want) {
					r.Fatalf("%+v gives %v of cron %d, want %v", f, got[id], i, want)
				}
			}
		})
	})
}
