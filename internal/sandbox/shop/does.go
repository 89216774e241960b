package shop

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// The kinds of messages.
const (
	info      = "info"
	warning   = "warning"
	succeeded = "success"
	failure   = "error"
)

// run is how one execution goes.
type run struct {
	took     time.Duration
	says     []line        // in the order in which they are said
	end      string        // what it says at its end
	exitCode int           // 0 if it ends well
	again    time.Duration // after which the job is tried again, rather than in its turn; 0: in its turn
}

// line is something that an execution says.
type line struct {
	after time.Duration // since its start
	kind  string
	text  string
}

func (r *run) say(after time.Duration, kind, format string, args ...any) {
	r.says = append(r.says, line{after, kind, fmt.Sprintf(format, args...)})
}

func (r *run) fail(code int, format string, args ...any) {
	r.exitCode, r.end = code, fmt.Sprintf(format, args...)
}

// moment is what an execution goes by.
type moment struct {
	chance *rand.Rand
	n      int  // how many executions of the job came before, in this run of the shop
	past   bool // it is reported afterwards
}

func (m moment) number(least, most int) int { return least + m.chance.IntN(most-least+1) }

func (m moment) time(least, most time.Duration) time.Duration {
	return least + time.Duration(m.chance.Int64N(int64(most-least))).Truncate(time.Millisecond)
}

func backUp(m moment) run {
	size := m.number(180, 260)
	r := run{took: m.time(18*time.Minute, 26*time.Minute)}
	if !m.past {
		r.took = m.time(95*time.Second, 110*time.Second) // somebody is looking
	}
	r.say(0, info, "dumping the database of the shop")
	const steps = 9
	for i := 1; i < steps; i++ {
		r.say(r.took*time.Duration(i)/steps, info, "%d of %d GB copied", size*i/steps, size)
	}
	r.end = fmt.Sprintf("%d GB copied to s3://shop-backups, 7 older backups kept", size)
	return r
}

func importOrders(m moment) run {
	orders := m.number(0, 60)
	r := run{took: m.time(2*time.Second, 9*time.Second), end: fmt.Sprintf("%d orders imported", orders)}
	r.say(0, info, "asking the marketplace for new orders")
	r.say(r.took/2, info, "%d orders fetched", orders)
	if m.n%7 == 3 {
		r.say(r.took*2/3, warning, "order %d has no postcode: left for the office", m.number(40_000, 90_000))
	}
	return r
}

// syncStock takes longer than from one start to the next, now and then.
func syncStock(m moment) run {
	r := run{took: m.time(8*time.Second, 30*time.Second), end: fmt.Sprintf("%d articles compared, %d changed", 18_400+m.number(0, 99), m.number(0, 70))}
	r.say(0, info, "reading the stock of 3 warehouses")
	if !m.past && m.n%6 == 0 {
		r.took = m.time(75*time.Second, 85*time.Second)
		r.say(r.took/3, warning, "the warehouse answers slowly: %d ms a page", m.number(3000, 9000))
	}
	return r
}

// feedPrices fails three times in a row, and then goes well for half an hour. What is
// told of the past afterwards shall alarm nobody: there it fails only twice.
func feedPrices(m moment) run {
	const round = 9
	fails, last := m.n%round < 3, m.n%round == 2
	if m.past {
		fails = m.n%round == 4 || m.n%round == 5
	}
	r := run{took: m.time(700*time.Millisecond, 3*time.Second), end: fmt.Sprintf("%d prices taken over", m.number(900, 1400))}
	r.say(0, info, "GET https://feeds.example.com/prices.csv")
	if !fails {
		return r
	}
	if !m.past && !last {
		r.again = 5 * time.Second
	}
	r.say(r.took/2, warning, "row %d: the price is empty", m.number(2, 900))
	r.fail(1, "prices.csv has 6 columns, not 7: nothing is taken over")
	return r
}

// cleanUp takes far longer than it may.
func cleanUp(m moment) run {
	files := m.number(9_000, 40_000)
	r := run{took: m.time(3*time.Second, 12*time.Second), end: fmt.Sprintf("%d files removed", files)}
	if !m.past {
		r.took = m.time(95*time.Second, 105*time.Second)
	}
	r.say(0, info, "removing files older than 7 days from /var/tmp/shop")
	r.say(r.took/2, info, "%d of %d files removed", files/2, files)
	return r
}

func mailInvoices(m moment) run {
	mails := m.number(1, 40)
	r := run{took: m.time(3*time.Second, 14*time.Second), end: fmt.Sprintf("%d invoices sent", mails)}
	r.say(0, info, "%d invoices to send", mails)
	if m.n%5 == 3 {
		sent := m.number(0, mails-1)
		r.say(r.took/2, info, "%d sent", sent)
		r.fail(75, "smtp.example.com: 421 4.7.0 too many connections, try again later; %d invoices left", mails-sent)
	}
	return r
}

func addPoints(m moment) run {
	return run{took: m.time(5*time.Second, 20*time.Second), end: fmt.Sprintf("points of %d customers added up", m.number(200, 900))}
}

func writeReport(m moment) run {
	r := run{took: m.time(40*time.Second, 90*time.Second), end: "report.pdf sent to 4 people"}
	r.say(0, info, "adding up a week of %d orders", m.number(9_000, 14_000))
	return r
}
