package dashboard

import (
	"fmt"
	"time"

	"ferryman/internal/audit"
)

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
	if err == nil {
		err = d.o.Outbox.Move(r.Context(), row.ID, &at)
	}
	if err != nil {
		v, show := d.deliveryView(r, typed{r.form})
		return refusedWith("outbox", v, show, err)
	}
	d.loads.forget()
	return done{
		say:    fmt.Sprintf("Delivery %d is to be sent at %s.", row.ID, r.at(at)),
		target: audit.Delivery(row.ID), detail: "to " + at.UTC().Format(time.RFC3339),
	}, nil
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
