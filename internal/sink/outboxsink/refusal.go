package outboxsink

import (
	"context"
	"encoding/json"
	"strings"

	"ferryman/internal/db"
	"ferryman/internal/outbox"
)

// refusal is what can never be posted.
type refusal struct {
	contact, fired string // its key, as far as it is known
	code, reason   string
	dedupe         []byte
}

// bury keeps what is refused where people look for what was not sent.
func (w *writing) bury(ctx context.Context, tx *db.Tx) error {
	lost := make([]outbox.Lost, len(w.refused))
	for i, r := range w.refused {
		lost[i] = outbox.Lost{
			Item: outbox.Item{
				Topic: outbox.Contact, Channel: w.sink.o.Channel, Recipient: cut(r.contact, idMost), Payload: r.note(), Dedupe: r.dedupe,
			},
			Code: r.code, Reason: r.reason,
		}
	}
	return w.sink.box.Bury(ctx, tx, lost)
}

// note stands in place of the payload, which nobody will send.
func (r refusal) note() string {
	const most = 1000
	text, _ := json.Marshal(map[string]string{ // texts can always be encoded
		"contact_id": cut(r.contact, most), "fired": cut(r.fired, most), "rejected": cut(r.reason, most),
	})
	return string(text)
}

// tellMost is how many refused transactions of a batch the log names.
const tellMost = 10

// tell logs what can never be posted.
func (s *Sink) tell(refused []refusal) {
	for i, r := range refused {
		if i == tellMost {
			s.o.Logger.Warn("more transactions cannot be posted", "channel", s.o.Channel, "rejected", len(refused)-tellMost)
			return
		}
		s.o.Logger.Warn("a transaction cannot be posted", "channel", s.o.Channel,
			"contact", cut(r.contact, idMost), "fired", cut(r.fired, idMost), "code", r.code, "reason", cut(r.reason, idMost))
	}
}

// cut is at most so many bytes of a text.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
