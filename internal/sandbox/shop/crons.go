package shop

import (
	"fmt"
	"strings"
	"time"
)

// Cron is a cron as the shop wants it kept: what is zero is as the server has it by
// default.
type Cron struct {
	Slug       string
	Name       string
	Schedule   string // in UTC; "": nobody knows when it starts
	Grace      time.Duration
	MaxRuntime time.Duration
	FailAfter  int64 // failures in a row
	Alone      bool  // a start is refused while another execution runs
	Paused     bool  // from the beginning
}

// Crons are the shop's crons if it is set up at now.
func Crons(now time.Time) []Cron {
	var all []Cron
	for _, j := range jobs(now) {
		all = append(all, j.Cron)
	}
	return all
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// job is a cron and what it does.
type job struct {
	Cron
	does   func(moment) run
	every  time.Duration // from one start to the next
	offset time.Duration // of the starts of a job that goes by the clock, counted from 1970

	byClock bool          // later starts go by the clock; the first one never does
	first   time.Duration // after which it starts first
	silent  bool          // it is never started
	past    time.Duration // how far back its past goes
	ended   time.Duration // how long ago its past ended
}

// jobs are all of them. Those that run often begin at once, one after the other.
func jobs(now time.Time) []job {
	// A weekly report that is due soon, and never comes. It is still to come when the cron is made.
	due := now.UTC().Add(10 * time.Second).Truncate(time.Minute).Add(time.Minute)
	weekly := fmt.Sprintf("%d %d * * %s", due.Minute(), due.Hour(), strings.ToUpper(due.Weekday().String()[:3]))

	return []job{
		{
			Cron: Cron{Slug: "nightly-backup", Name: "Nightly backup", Schedule: "30 1 * * *", Grace: 15 * time.Minute, Alone: true},
			does: backUp, every: day, offset: 90 * time.Minute, byClock: true, past: week,
		},
		{
			Cron: Cron{Slug: "import-orders", Name: "Import orders", Schedule: "every 1m", Grace: 30 * time.Second, FailAfter: 2},
			does: importOrders, every: time.Minute, first: time.Second, past: week,
		},
		{
			Cron: Cron{Slug: "sync-stock", Name: "Sync stock with the warehouse", Schedule: "every 1m", Grace: 30 * time.Second, Alone: true},
			does: syncStock, every: time.Minute, first: 2 * time.Second, past: week,
		},
		{
			Cron: Cron{Slug: "price-feed", Name: "Price feed", Schedule: "every 5m", FailAfter: 3},
			does: feedPrices, every: 5 * time.Minute, first: 3 * time.Second, past: week,
		},
		{
			Cron: Cron{Slug: "cleanup-tmp", Name: "Clean up temporary files", Schedule: "every 5m", MaxRuntime: 15 * time.Second},
			does: cleanUp, every: 5 * time.Minute, first: 4 * time.Second, past: week,
		},
		{
			Cron: Cron{Slug: "invoice-mail", Name: "Mail invoices", Schedule: "every 5m", FailAfter: 2},
			does: mailInvoices, every: 5 * time.Minute, first: 5 * time.Second, past: week,
		},
		{
			Cron: Cron{Slug: "loyalty-points", Name: "Loyalty points", Schedule: "0 */4 * * *", Grace: 15 * time.Minute, Paused: true},
			does: addPoints, every: 4 * time.Hour, byClock: true, first: 6 * time.Second, past: week, ended: 2 * day,
		},
		{
			Cron: Cron{Slug: "report-weekly", Name: "Weekly report", Schedule: weekly, Grace: 20 * time.Second},
			does: writeReport, every: week, offset: time.Duration(due.Unix()%int64(week/time.Second)) * time.Second, silent: true, past: 4 * week,
		},
		{Cron: Cron{Slug: "newsletter", Name: "Newsletter"}, silent: true},
	}
}

// next is when a job starts that goes by the clock: the first time after t.
func (j job) next(t time.Time) time.Time {
	every, offset := int64(j.every/time.Second), int64(j.offset/time.Second)
	n := (t.Unix() - offset) / every
	return time.Unix((n+1)*every+offset, 0).UTC()
}
