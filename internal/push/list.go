package push

import (
	"context"
	"fmt"

	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

// Filter selects messages; the zero value of a field lets all pass.
type Filter struct {
	State     string // see Stored.State
	Messenger *Messenger
	UserID    string
	After     int64
	Limit     int // 100 if 0, at most 1000
}

// States are the names that a state may have.
func States() []string {
	return []string{"scheduled", "sending", "sent", "failed", "cancelled", "expired"}
}

// List gives messages, oldest first.
func (m *Messages) List(ctx context.Context, f Filter) ([]Stored, error) {
	asked := outbox.Filter{Topics: []outbox.Topic{outbox.Message}, Recipient: f.UserID, After: f.After, Limit: f.Limit}
	if f.Messenger != nil {
		asked.Channel = f.Messenger.String()
	}
	for s := outbox.Waiting; f.State != "" && s <= outbox.Expired; s++ {
		if s.String() == f.State {
			asked.States = append(asked.States, s)
		}
	}
	if f.State != "" && asked.States == nil {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "invalid_state", Detail: "a message has no such state"}
	}
	rows, err := m.outbox.List(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return m.stored(ctx, rows...)
}

// Get gives a message, or outbox.ErrNotFound: likewise all that follow. A delivery
// that is no message is not found here.
func (m *Messages) Get(ctx context.Context, id int64) (Stored, error) {
	row, err := m.outbox.Get(ctx, id)
	if err != nil {
		return Stored{}, err
	}
	if row.Topic != outbox.Message {
		return Stored{}, outbox.ErrNotFound
	}
	all, err := m.stored(ctx, row)
	if err != nil {
		return Stored{}, err
	}
	return all[0], nil
}

// Cancel ends a message that is not sent; see outbox.Cancel.
func (m *Messages) Cancel(ctx context.Context, id int64) error {
	if _, err := m.Get(ctx, id); err != nil {
		return err
	}
	return m.outbox.Cancel(ctx, id)
}

// Move changes when a message is sent, as a JSON object with start_at says; see
// outbox.Move. What is wrong with the object is a *Refusal.
func (m *Messages) Move(ctx context.Context, id int64, body []byte) (Stored, error) {
	before, err := m.Get(ctx, id)
	if err != nil {
		return Stored{}, err
	}
	start, err := decodeMove(body)
	if err != nil {
		return Stored{}, err
	}
	if start != nil && before.ExpiresAt != nil && !before.ExpiresAt.After(*start) {
		return Stored{}, refused("start_at", "Must be earlier than expires_at.")
	}
	if err := m.outbox.Move(ctx, id, start); err != nil {
		return Stored{}, err
	}
	return m.Get(ctx, id)
}

// Retry revives a message that failed; see outbox.Revive.
func (m *Messages) Retry(ctx context.Context, id int64) (Stored, error) {
	if _, err := m.Get(ctx, id); err != nil {
		return Stored{}, err
	}
	if err := m.outbox.Revive(ctx, id); err != nil {
		return Stored{}, err
	}
	return m.Get(ctx, id)
}

// stored tells of deliveries what the message API does.
func (m *Messages) stored(ctx context.Context, rows ...outbox.Row) ([]Stored, error) {
	all := make([]Stored, 0, len(rows))
	waits := false
	for i := range rows {
		s, err := storedOf(&rows[i])
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		waits = waits || s.State == outbox.Waiting.String()
	}
	if !waits {
		return all, nil
	}
	held, err := m.held(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].State == outbox.Waiting.String() {
			all[i].Held = held[all[i].Messenger]
		}
	}
	return all, nil
}

func storedOf(row *outbox.Row) (Stored, error) {
	messenger, known := messengerOf(row.Channel)
	if !known {
		return Stored{}, fmt.Errorf("message %d goes by %q, which is no messenger", row.ID, row.Channel)
	}
	s := Stored{
		ID:      row.ID,
		Message: Message{UserID: row.Recipient, Messenger: messenger, Text: row.Payload, StartAt: row.StartAt, ExpiresAt: row.ExpiresAt},
		State:   row.State.String(), Attempts: row.Attempts, LastError: row.LastError,
	}
	switch row.State {
	case outbox.Sent:
		s.SentAt = row.EndedAt
	case outbox.Waiting, outbox.Behind:
		s.NextAttemptAt = row.DueAt
	}
	return s, nil
}
