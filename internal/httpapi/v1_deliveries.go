package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"ferryman/internal/ledgerjson"
	"ferryman/internal/outbox"
	"ferryman/internal/params"
)

// delivery is a delivery as it is listed. What it carries may be long, and stands
// only where one is shown.
type delivery struct {
	ID            int64           `json:"id"`
	Topic         string          `json:"topic"`
	State         string          `json:"state"`
	Channel       string          `json:"channel"`
	Recipient     string          `json:"recipient"`
	OrderKey      *string         `json:"order_key"`
	StartAt       ledgerjson.Time `json:"start_at"`
	NextAttemptAt ledgerjson.Time `json:"next_attempt_at"`
	ExpiresAt     ledgerjson.Time `json:"expires_at"`
	CreatedAt     ledgerjson.Time `json:"created_at"`
	Attempts      int             `json:"attempts"`
	Uncertain     int             `json:"uncertain"` // attempts that may have arrived
	EndedAt       ledgerjson.Time `json:"ended_at"`
	LastError     *string         `json:"last_error"`
	Reference     *string         `json:"reference"`
}

// wholeDelivery is a delivery with what it carries and how it was tried.
type wholeDelivery struct {
	delivery
	Payload string          `json:"payload"`
	History []attemptOfThis `json:"history"`
}

type attemptOfThis struct {
	N          int             `json:"n"`
	At         ledgerjson.Time `json:"at"`
	DurationMS *int64          `json:"duration_ms"` // null: nobody saw its end
	Outcome    outbox.Verdict  `json:"outcome"`
	Status     *int            `json:"status"`
	Code       *string         `json:"code"`
	Detail     *string         `json:"detail"`
}

func topics() []string { return []string{"message", "alert", "contact"} }

func deliveryStates() []string {
	return []string{"scheduled", "sending", "sent", "failed", "cancelled", "expired"}
}

func deliveryOf(r *outbox.Row) delivery {
	d := delivery{
		ID: r.ID, Topic: topics()[r.Topic], State: r.State.String(), Channel: r.Channel, Recipient: r.Recipient, OrderKey: ledgerjson.OrNull(r.OrderKey),
		StartAt: timeOrNull(r.StartAt), ExpiresAt: timeOrNull(r.ExpiresAt), CreatedAt: ledgerjson.Time(r.CreatedAt), Attempts: r.Attempts, Uncertain: r.Uncertain,
		EndedAt: ledgerjson.Time(r.EndedAt), LastError: ledgerjson.OrNull(r.LastError), Reference: ledgerjson.OrNull(r.Reference),
	}
	if r.State == outbox.Waiting || r.State == outbox.Behind {
		d.NextAttemptAt = ledgerjson.Time(r.DueAt)
	}
	return d
}

func timeOrNull(t *time.Time) ledgerjson.Time {
	if t == nil {
		return ledgerjson.Time{}
	}
	return ledgerjson.Time(*t)
}

func attemptOf(a *outbox.Attempt) attemptOfThis {
	shown := attemptOfThis{
		N: a.N, At: ledgerjson.Time(a.At), Outcome: a.Verdict, Status: ledgerjson.OrNull(a.Status), Code: ledgerjson.OrNull(a.Code),
		Detail: ledgerjson.OrNull(a.Detail),
	}
	if a.Took > 0 {
		ms := a.Took.Round(time.Millisecond).Milliseconds()
		shown.DurationMS = &ms
	}
	return shown
}

func (s *Server) listDeliveries(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	f, err := deliveryFilter(q)
	if err != nil {
		return reply{}, err
	}
	return listed(r, q, "after", "deliveries", func(ctx context.Context, cursor string, limit int) ([]delivery, string, error) {
		f := f
		f.Limit = limit
		var err error
		if f.After, err = idCursor("after", cursor); err != nil {
			return nil, "", err
		}
		all, err := s.o.Outbox.List(ctx, f)
		if err != nil {
			return nil, "", err
		}
		page, _ := pageOf(all, limit, deliveryOf, nil)
		if len(all) < limit {
			return page, "", nil
		}
		return page, idText(all[len(all)-1].ID), nil // the next page may turn out to be empty
	})
}

func deliveryFilter(q params.Query) (f outbox.Filter, err error) {
	chosen, err := params.Words(q, "topic", topics()...)
	if err != nil {
		return f, err
	}
	for _, name := range chosen {
		f.Topics = append(f.Topics, outbox.Topic(slices.Index(topics(), name)))
	}
	states, err := params.Words(q, "state", deliveryStates()...)
	if err != nil {
		return f, err
	}
	for state := outbox.Waiting; state <= outbox.Expired; state++ {
		if slices.Contains(states, state.String()) {
			f.States = append(f.States, state)
		}
	}
	if f.Channel, _, err = q.Text("channel", maxText); err != nil {
		return f, err
	}
	f.Recipient, _, err = q.Text("recipient", maxText)
	return f, err
}

// showDelivery answers with a delivery, what it carries and how it was tried.
func (s *Server) showDelivery(r *http.Request, id int64) (reply, error) {
	row, err := s.o.Outbox.Get(r.Context(), id)
	if err != nil {
		return reply{}, err
	}
	attempts, err := s.o.Outbox.Attempts(r.Context(), id)
	if err != nil {
		return reply{}, err
	}
	history := make([]attemptOfThis, len(attempts))
	for i := range attempts {
		history[i] = attemptOf(&attempts[i])
	}
	return ok(wholeDelivery{deliveryOf(&row), row.Payload, history})
}

func (s *Server) readDelivery(r *http.Request) (reply, error) {
	id, err := idAsked(r, outbox.ErrNotFound)
	if err != nil {
		return reply{}, err
	}
	return s.showDelivery(r, id)
}

func (s *Server) cancelDelivery(r *http.Request) (reply, error) {
	return s.changeDelivery(r, s.o.Outbox.Cancel)
}

func (s *Server) retryDelivery(r *http.Request) (reply, error) {
	return s.changeDelivery(r, s.o.Outbox.Revive)
}

func (s *Server) changeDelivery(r *http.Request, change func(context.Context, int64) error) (reply, error) {
	id, err := idAsked(r, outbox.ErrNotFound)
	if err != nil {
		return reply{}, err
	}
	if err := change(r.Context(), id); err != nil {
		return reply{}, err
	}
	return s.showDelivery(r, id)
}
