package dashboard

import (
	"fmt"
	"html/template"
	"time"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
)

// hoursChart is how runs ended hour by hour, as a drawing and as its table.
type hoursChart struct {
	Drawing template.HTML
	Rows    []hourRow // the newest first; hours in which nothing ended are left out
}

// hourRow is an hour of the table.
type hourRow struct {
	ledger.Hour
	Bad int64 // failed and timed out
}

// runsByHour draws a day of hours; nothing if nothing ended.
func runsByHour(hours []ledger.Hour, r *request) hoursChart {
	const n = int(overviewSpan / time.Hour)
	first := dayBegin(r.now)
	series := []chart.Series{
		{Class: "ok", Word: "ok"}, {Class: "failed", Word: "failed"}, {Class: "cancelled", Word: "cancelled"},
		{Class: "missed", Word: "missed"}, {Class: "refused", Word: "refused"},
	}
	for i := range series {
		series[i].Values = make([]int64, n)
	}
	var c hoursChart
	for _, h := range hours {
		i := int(h.At.Sub(first) / time.Hour)
		if i < 0 || i >= n {
			continue
		}
		row := hourRow{h, h.Failed + h.TimedOut}
		for s, value := range [...]int64{h.Success, row.Bad, h.Cancelled, h.Missed, h.Skipped} {
			series[s].Values[i] = value
		}
		c.Rows = append([]hourRow{row}, c.Rows...)
	}
	if len(c.Rows) == 0 {
		return c
	}
	c.Drawing = chart.Hours{
		Label: fmt.Sprintf("How runs ended in each of the last %d hours", n), From: first, Series: series, Zone: r.zone,
		Count: wholeNumber,
	}.Draw()
	return c
}
