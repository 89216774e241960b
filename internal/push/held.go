package push

import (
	"context"
	"time"
)

// held tells why messengers do not send: of those that do, "".
func (m *Messages) held(ctx context.Context) (map[Messenger]string, error) {
	channels, err := m.outbox.Standing(ctx)
	if err != nil {
		return nil, err
	}
	held := map[Messenger]string{}
	for one := Viber; one <= WhatsApp; one++ {
		name := one.String()
		switch channel := channels[name]; {
		case channel.PausedBy != "":
			held[one] = name + " is paused: " + channel.PauseReason
		case !channel.Configured:
			held[one] = name + " is not configured: set " + one.settings()
		case !channel.HeldUntil.IsZero():
			held[one] = name + " rests until " + channel.HeldUntil.Format(time.RFC3339)
		}
	}
	return held, nil
}
