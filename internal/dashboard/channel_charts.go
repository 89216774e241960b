package dashboard

import (
	"fmt"
	"html/template"
	"slices"
	"time"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/outbox"
)

// dayChart is what was done in the last day, hour by hour.
type dayChart struct {
	Drawing template.HTML
	Rows    []dayHour // the newest first; hours of nothing are left out
	Sum     outbox.Totals
}

type dayHour struct {
	At time.Time
	outbox.Totals
}

// Any tells whether anything was done.
func (c dayChart) Any() bool { return len(c.Rows) > 0 }

func (c *channelRow) day(r *request) dayChart {
	day, begin := dayChart{Sum: c.Day}, dayBegin(r.now)
	for i, n := range slices.Backward(c.Hours) {
		if n != (outbox.Totals{}) {
			day.Rows = append(day.Rows, dayHour{begin.Add(time.Duration(i) * time.Hour), n})
		}
	}
	day.Drawing = c.hoursChart(r, false)
	return day
}

// hoursChart draws what was done in the last day; bare for a line of a table.
func (c *channelRow) hoursChart(r *request, bare bool) template.HTML {
	sent := chart.Series{Class: "ok", Word: "sent", Values: make([]int64, len(c.Hours))}
	retried := chart.Series{Class: "late", Word: "tried again", Values: make([]int64, len(c.Hours))}
	failed := chart.Series{Class: "failed", Word: "failed", Values: make([]int64, len(c.Hours))}
	for i, h := range c.Hours {
		sent.Values[i], retried.Values[i], failed.Values[i] = h.Sent, h.Retried, h.Failed
	}
	label := "Deliveries by hour, last 24 hours"
	if c.Name != "" {
		label += ", by " + visible(c.Name)
	}
	return chart.Hours{
		Label:  fmt.Sprintf("%s: %d sent, %d tried again, %d failed", label, c.Day.Sent, c.Day.Retried, c.Day.Failed),
		Series: []chart.Series{sent, retried, failed}, From: dayBegin(r.now), Zone: r.zone, Count: wholeNumber, Bare: bare,
	}.Draw()
}

// dueBucket is a line of the histogram's table.
type dueBucket struct {
	Word string
	Said upTo
}

func (c *channelRow) buckets() []dueBucket {
	all := make([]dueBucket, len(c.Due))
	for i, n := range c.Due {
		all[i] = dueBucket{dueWords()[i], n}
	}
	return all
}

// dueChart draws when what waits is due.
func (c *channelRow) dueChart() template.HTML {
	h := chart.Histogram{Label: "When what waits is due"}
	for i, n := range c.Due {
		class := "running"
		if i == 0 {
			class = "late"
		}
		h.Buckets = append(h.Buckets, chart.Bucket{Label: dueWords()[i], Class: class, Count: n.N, Said: n.String()})
	}
	return h.Draw()
}
