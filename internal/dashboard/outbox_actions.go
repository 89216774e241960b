package dashboard

import (
	"fmt"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/fault"
)

// localMinute is a time as a form's field for it has it.
const localMinute = "2006-01-02T15:04"

func (d *Dashboard) cancelDelivery(r *request) (done, error) {
	row, err := d.deliveryAsked(r)
	if err != nil {
		return done{}, err
	}
	if err := d.o.Outbox.Cancel(r.Context(), row.ID); err != nil {
		return done{}, err
	}
	d.loads.forget()
	return done{say: fmt.Sprintf("Delivery %d is cancelled: it will not be sent.", row.ID), target: audit.Delivery(row.ID)}, nil
}

// moveDelivery sets another time, which is one of the viewer's clock.
func (d *Dashboard) moveDelivery(r *request) (done, error) {
	row, err := d.deliveryAsked(r)
	if err != nil {
		return done{}, err
	}
	at, err := localTime(r.form.Get("at"), r.zone)
	if err != nil {
		return done{}, err
	}
	if err := d.o.Outbox.Move(r.Context(), row.ID, &at); err != nil {
		return done{}, err
	}
	d.loads.forget()
	return done{
		say:    fmt.Sprintf("Delivery %d is to be sent at %s.", row.ID, r.at(at)),
		target: audit.Delivery(row.ID), detail: "to " + at.UTC().Format(time.RFC3339),
	}, nil
}

// localTime reads what a field of a form for a time gives.
func localTime(text string, zone *time.Location) (time.Time, error) {
	t, _, err := wallTime(text, zone)
	switch {
	case err != nil:
		return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "invalid_time", Detail: "this time " + err.Error()}
	case t.Year() < 1970 || t.Year() > 2199:
		return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "invalid_time", Detail: "the time is not of the years 1970 to 2199"}
	}
	return t, nil
}

// sendNow has a delivery that waits for its time go at once.
func (d *Dashboard) sendNow(r *request) (done, error) {
	row, err := d.deliveryAsked(r)
	if err != nil {
		return done{}, err
	}
	if err := d.o.Outbox.Move(r.Context(), row.ID, nil); err != nil {
		return done{}, err
	}
	d.loads.forget()
	return done{say: fmt.Sprintf("Delivery %d is due now.", row.ID), target: audit.Delivery(row.ID)}, nil
}

func (d *Dashboard) retryDelivery(r *request) (done, error) {
	row, err := d.deliveryAsked(r)
	if err != nil {
		return done{}, err
	}
	if err := d.o.Outbox.Revive(r.Context(), row.ID); err != nil {
		return done{}, err
	}
	d.loads.forget()
	return done{say: fmt.Sprintf("Delivery %d is due again, with all its attempts before it.", row.ID), target: audit.Delivery(row.ID)}, nil
}
