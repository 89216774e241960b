package dashboard

import (
	"html/template"
	"strconv"

	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
)

const (
	deliveriesOnPage = 50
	excerpt          = 90 // bytes of a payload or an error in a list
)

func (d *Dashboard) outboxPages() []page {
	return []page{
		{Root + "outbox", "outbox", operators, d.outboxList, []string{"channel", "state", "topic", "recipient", "before"}},
		{Root + "outbox/{id}", "outbox", operators, d.delivery, nil},
	}
}

func (d *Dashboard) outboxActions() []action {
	one := Root + "outbox/{id}/"
	return []action{
		{Root + "outbox/replay", "outbox.replay", operators, d.replay},
		{one + "cancel", "delivery.cancel", operators, d.cancelDelivery},
		{one + "move", "delivery.move", operators, d.moveDelivery},
		{one + "now", "delivery.now", operators, d.sendNow},
		{one + "retry", "delivery.retry", operators, d.retryDelivery},
	}
}

func (d *Dashboard) outboxFiles() []file {
	return []file{{Root + "outbox/{id}/payload", operators, d.downloadPayload, inPerson}}
}

// outboxPage is what the page of the outbox shows.
type outboxPage struct {
	Asked    deliveriesAsked
	Channels []channelRow
	Further  []string    // the names of channels that there is no room for
	Names    []string    // of all channels, to choose among
	Sum      *channelRow // of all channels, or of the one that is asked for
	Day      dayChart
	Due      template.HTML
	Edges    []dueBucket
	Form     typed // of a replay
	Rows     []deliveryRow
	More     string // the address of the next page; "" after the last
	First    string // the address of the first page; "" on it
}

// deliveryRow is a delivery in a list.
type deliveryRow struct {
	outbox.Row
	Text  string // of the payload, in a line
	Error string // likewise of the last error
	Waits bool
}

func deliveryRows(all []outbox.Row) []deliveryRow {
	rows := make([]deliveryRow, len(all))
	for i, r := range all {
		rows[i] = deliveryRow{
			Row: r, Text: inOneLine(r.Payload, excerpt), Error: inOneLine(r.LastError, excerpt),
			Waits: r.State == outbox.Waiting || r.State == outbox.Behind,
		}
	}
	return rows
}

// TopicWord names what the delivery is about.
func (r deliveryRow) TopicWord() string { return topicWord(r.Topic) }

// outboxList is the page of all channels and deliveries.
func (d *Dashboard) outboxList(r *request) (view, error) { return d.outboxView(r, typed{}) }

// outboxView is the page with the form of a replay as it was filled in.
func (d *Dashboard) outboxView(r *request, form typed) (view, error) {
	asked, err := readDeliveriesAsked(r)
	if err != nil {
		return view{}, err
	}
	p := outboxPage{Asked: asked, Form: form, Sum: newChannelRow(asked.Channel)}
	all, err := d.channelRows(r)
	if err != nil {
		return view{}, err
	}
	for _, c := range all {
		p.Names = append(p.Names, c.Name)
		if p.Asked.Channel == "" || p.Asked.Channel == c.Name {
			p.Sum.add(c)
		}
	}
	p.Channels = all[:min(len(all), channelsShown)]
	p.Further = p.Names[len(p.Channels):]
	p.Day, p.Due, p.Edges = p.Sum.day(r), p.Sum.dueChart(), p.Sum.buckets()
	page, next, err := d.o.Outbox.Browse(r.Context(), p.Asked.filter)
	if err != nil {
		return view{}, err
	}
	p.Rows = deliveryRows(page)
	if next != 0 {
		p.More = with(r.query, "outbox", "before", strconv.FormatInt(next, 10)) + "#deliveries"
	}
	v := view{template: "outbox", title: "Outbox", live: []string{"outbox"}}
	if asked.filter.Before != 0 {
		p.First, v.live = with(r.query, "outbox", "before", "")+"#deliveries", nil // what is older stands still
	}
	v.data = p
	return v, nil
}

// deliveryAsked gives the delivery that the path names.
func (d *Dashboard) deliveryAsked(r *request) (outbox.Row, error) {
	id, ok := ledger.ParseID(r.PathValue("id"))
	if !ok {
		return outbox.Row{}, outbox.ErrNotFound
	}
	return d.o.Outbox.Get(r.Context(), id)
}
