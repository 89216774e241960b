package outbox_test

import (
	"fmt"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/outbox"
)

// BenchmarkHotRecipient adds lists of 1,000 for one recipient, whose rate lets one
// go a second, while nobody serves the channel, and while it is served.
func BenchmarkHotRecipient(b *testing.B) {
	for _, served := range []bool{false, true} {
		b.Run(fmt.Sprintf("served=%v", served), func(b *testing.B) {
			onEachStore(b, func(b *testing.B, d *db.DB) {
				o, serial := outbox.New(d, outbox.Options{}), 0
				if served {
					o.Set("telegram", outbox.Config{Channel: accepting{}, Recipient: func(string) outbox.Rate { return outbox.Rate{N: 1, Per: time.Second} }})
					running(b, o, time.Second)
				}
				for b.Loop() {
					items := make([]outbox.Item, 1000)
					for i := range items {
						serial++
						items[i] = letterTo("hot", fmt.Sprintf("Dear customer, your parcel number %d waits for you.", serial))
					}
					addItems(b, d, o, outbox.Refuse, items...)
					o.Wake("telegram")
				}
				b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(countSQL(b, d, "SELECT count(*) FROM deliveries WHERE state = 0 AND due_at <= $1", db.Time{Time: d.Now()})), "due")
			})
		})
	}
}
