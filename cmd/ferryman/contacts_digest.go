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
	backlog  int64
}

type digestCounts struct{ inserted, updated, deleted, rejected, sent int64 }

func newDigest(campaign string) *digest { return &digest{campaign: campaign} }

// add takes a cycle into account, also what one that failed has brought.
func (d *digest) add(r syncs.Run, p app.ContactsProgress) {
	t := r.Report.Total()
	d.sum.inserted += t.Inserted
	d.sum.updated += t.Updated
	d.sum.deleted += t.Deleted
	d.sum.rejected += t.Rejected + p.Dead
	d.sum.sent += p.Sent
	d.backlog = p.Backlog
}

// due gives the line that is due, "" if none is.
func (d *digest) due(now time.Time) string {
	if now.Sub(d.told) < digestEvery {
		return ""
	}
	return d.rest(now)
}

// rest gives a line of what was not told yet, "" if that is nothing.
func (d *digest) rest(now time.Time) string {
	s := d.sum
	if s == (digestCounts{}) {
		return ""
	}
	line := fmt.Sprintf("%s %s: %d inserted, %d updated, %d deleted, %d dead letters", now.UTC().Format(time.RFC3339), d.campaign,
		s.inserted, s.updated, s.deleted, s.rejected)
	if s.sent > 0 || d.backlog > 0 {
		line += fmt.Sprintf("; %d posts sent, %d waiting", s.sent, d.backlog)
	}
	d.told, d.sum = now, digestCounts{}
	return line
}
