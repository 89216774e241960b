package push

import (
	"strconv"
	"time"
)

// appendJSON adds the message as answers to POST show it.
func (m Message) appendJSON(b []byte, id int64) []byte {
	b = m.appendMembers(b, id)
	return append(b, '}')
}

func (m Message) appendMembers(b []byte, id int64) []byte {
	b = strconv.AppendInt(append(b, `{"id":`...), id, 10)
	b = appendString(append(b, `,"user_id":`...), m.UserID)
	b = strconv.AppendInt(append(b, `,"messenger_id":`...), int64(m.Messenger), 10)
	b = appendString(append(b, `,"text":`...), m.Text)
	return appendTime(append(b, `,"start_at":`...), m.StartAt)
}

// AppendJSON adds the message as answers to GET show it: the five fields of a
// POST's answer, then the rest. What is not there is null.
func (s Stored) AppendJSON(b []byte) []byte {
	b = s.appendMembers(b, s.ID)
	b = appendString(append(b, `,"state":`...), s.State)
	b = strconv.AppendInt(append(b, `,"attempts":`...), int64(s.Attempts), 10)
	b = appendTime(append(b, `,"sent_at":`...), known(s.SentAt))
	b = appendText(append(b, `,"last_error":`...), s.LastError)
	b = appendTime(append(b, `,"next_attempt_at":`...), known(s.NextAttemptAt))
	b = appendTime(append(b, `,"expires_at":`...), s.ExpiresAt)
	b = appendText(append(b, `,"held":`...), s.Held)
	return append(b, '}')
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

// appendTime adds a time in UTC, with microseconds if it has any.
func appendTime(b []byte, t *time.Time) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	layout := `"2006-01-02T15:04:05Z"`
	if t.Nanosecond()/1000 != 0 {
		layout = `"2006-01-02T15:04:05.000000Z"`
	}
	return t.UTC().AppendFormat(b, layout)
}
