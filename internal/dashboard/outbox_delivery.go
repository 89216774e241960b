package dashboard

import (
	"fmt"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/outbox"
)

// deliveryPage is what the page of a delivery shows.
type deliveryPage struct {
	deliveryRow
	Asked    time.Time // when it is to be sent, as asked for; zero: at once
	Expires  time.Time // zero: never
	Moved    string    // its time as the form has it
	Payload  shownPayload
	Attempts []outbox.Attempt
	Channel  outbox.Standing
	Stands   string // the state of the channel, as marks have it
	First    int64  // of those that it waits behind; 0: none
	Many     int64  // of these there are so many; 1,000 may be more
	Can      deliveryCan
	Record   []audit.Entry
}

// deliveryCan is what can be done to a delivery as it stands.
type deliveryCan struct{ Cancel, Move, Retry bool }

const (
	recordShown = 20
	// What has ended so long ago changes only if a person changes it.
	deliverySettled = time.Hour
)

// delivery is the page of one delivery.
func (d *Dashboard) delivery(r *request) (view, error) { return d.deliveryView(r, typed{}) }

// deliveryView is the page with the form of its time as it was filled in.
func (d *Dashboard) deliveryView(r *request, form typed) (view, error) {
	row, err := d.deliveryAsked(r)
	if err != nil {
		return view{}, err
	}
	ctx := r.Context()
	p := deliveryPage{
		deliveryRow: deliveryRows([]outbox.Row{row})[0], Payload: payloadOf(row.Payload),
		Can: deliveryCan{
			Cancel: row.State == outbox.Waiting || row.State == outbox.Behind || row.State == outbox.Failed,
			Move:   row.State == outbox.Waiting || row.State == outbox.Behind,
			Retry:  row.State == outbox.Failed && (row.ExpiresAt == nil || row.ExpiresAt.After(r.now)),
		},
	}
	if row.StartAt != nil {
		p.Asked = *row.StartAt
	}
	if row.ExpiresAt != nil {
		p.Expires = *row.ExpiresAt
	}
	p.Moved = form.Or("at", row.DueAt.In(r.zone).Format(localMinute))
	if p.Attempts, err = d.o.Outbox.Attempts(ctx, row.ID); err != nil {
		return view{}, err
	}
	all, err := d.o.Outbox.Standing(ctx)
	if err != nil {
		return view{}, err
	}
	channel := channelRow{Name: row.Channel, Standing: all[row.Channel]}
	channel.judge()
	p.Channel, p.Stands = channel.Standing, channel.State
	if row.State == outbox.Behind {
		if p.First, p.Many, err = d.o.Outbox.Ahead(ctx, row); err != nil {
			return view{}, err
		}
	}
	if p.Record, err = d.o.Audit.About(ctx, audit.Delivery(row.ID), recordShown); err != nil {
		return view{}, err
	}
	v := view{template: "delivery", title: fmt.Sprintf("Delivery %d", row.ID), data: p}
	if row.EndedAt.IsZero() || r.now.Sub(row.EndedAt) < deliverySettled {
		v.live = []string{"outbox"}
	}
	return v, nil
}
