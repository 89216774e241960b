package push

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// held tells why messengers do not send: of those that do, "".
func (m *Messages) held(ctx context.Context) (map[Messenger]string, error) {
	held := map[Messenger]string{}
	for one := Viber; one <= WhatsApp; one++ {
		held[one] = one.String() + " is not configured: set " + one.settings()
	}
	rows, err := m.db.Query(ctx, `SELECT name, configured, paused_by, pause_reason, held_until FROM channels WHERE name IN ($1, $2, $3)`,
		Viber.String(), Telegram.String(), WhatsApp.String())
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		var name, pausedBy, reason string
		var configured bool
		var until time.Time
		if err := r.Scan(&name, &configured, &pausedBy, &reason, db.ScanTime(&until)); err != nil {
			return struct{}{}, err
		}
		one, _ := messengerOf(name)
		switch {
		case pausedBy != "":
			held[one] = name + " is paused: " + reason
		case configured && until.After(m.db.Now()):
			held[one] = name + " rests until " + until.Format(time.RFC3339)
		case configured:
			held[one] = ""
		}
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	return held, nil
}
