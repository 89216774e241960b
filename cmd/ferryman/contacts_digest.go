package main

import (
	"fmt"
	"time"

	"ferryman/internal/app"
	"ferryman/internal/syncs"
)

// digestEvery is how often a line may tell of cycles.
const digestEvery = time.Minute

// digest gathers what cycles did until it is time to tell of it.
type digest struct {
	campaign string
	told     time.Time
	sum      digestCounts
	posted   app.ContactsProgress // when the last line was made
}

type digestCounts struct{ inserted, updated, deleted, rejected, sent int64 }

func newDigest(campaign string) *digest { return &digest{campaign: campaign} }

// add takes a cycle into account and gives the line that is due, "" if none is.
func (d *digest) add(r syncs.Run, p app.ContactsProgress, now time.Time) string {
	t := r.Report.Total()
	d.sum.inserted += t.Inserted
	d.sum.updated += t.Updated
	d.sum.deleted += t.Deleted
	d.sum.rejected += t.Rejected
	due := d.sum
	due.sent = p.Sent - d.posted.Sent
	due.rejected += p.Dead - d.posted.Dead
	if due == (digestCounts{}) || now.Sub(d.told) < digestEvery {
		return ""
	}
	line := fmt.Sprintf("%s %s: %d inserted, %d updated, %d deleted, %d dead letters", now.UTC().Format(time.RFC3339), d.campaign,
		due.inserted, due.updated, due.deleted, due.rejected)
	if due.sent > 0 || p.Backlog > 0 {
		line += fmt.Sprintf("; %d posts sent, %d waiting", due.sent, p.Backlog)
	}
	d.told, d.sum, d.posted = now, digestCounts{}, p
	return line
}
