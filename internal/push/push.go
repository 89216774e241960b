// Package push is the message API's rules: what a message to a person on a
// messenger may be, that each goes out once for ever, and what is said about one
// that is not taken. The outbox stores and sends them.
package push

import (
	"time"

	"ferryman/internal/db"
	"ferryman/internal/outbox"
)

// Messenger is where a message goes. Its number stands in the API.
type Messenger int

// The messengers.
const (
	Viber    Messenger = 0
	Telegram Messenger = 1
	WhatsApp Messenger = 2
)

// String is the messenger's name, which is that of its channel.
func (m Messenger) String() string {
	return [...]string{"viber", "telegram", "whatsapp"}[m]
}

// Longest is how many characters a message of the messenger may have.
func (m Messenger) Longest() int {
	return [...]int{7000, 4096, 4096}[m]
}

// settings are what must be set for the messenger to be served.
func (m Messenger) settings() string {
	return [...]string{"VIBER_TOKEN and VIBER_SENDER", "TELEGRAM_TOKEN", "WHATSAPP_TOKEN and WHATSAPP_PHONE_NUMBER_ID"}[m]
}

// messengerOf gives the messenger of a channel.
func messengerOf(channel string) (Messenger, bool) {
	for m := Viber; m <= WhatsApp; m++ {
		if m.String() == channel {
			return m, true
		}
	}
	return 0, false
}

// Message is what a client asks to be sent, checked and trimmed.
type Message struct {
	UserID    string
	Messenger Messenger
	Text      string
	StartAt   *time.Time // UTC; nil: at once
	ExpiresAt *time.Time // UTC; nil: never
}

// Stored is a message with what became of it. Times are UTC.
type Stored struct {
	ID int64
	Message
	State         string // scheduled, sending, sent, failed, cancelled or expired
	Attempts      int
	SentAt        time.Time // zero: not yet
	LastError     string    // of the last attempt that failed
	NextAttemptAt time.Time // while it is scheduled
	Held          string    // while it is scheduled: why its channel does not send; "" if it does
}

// MaxItems is how many messages one call may bring.
const MaxItems = 10_000

// Messages are the messages of a store. They are safe for concurrent use.
type Messages struct {
	db     *db.DB
	outbox *outbox.Outbox
}

// New makes the messages of a store.
func New(d *db.DB, o *outbox.Outbox) *Messages { return &Messages{db: d, outbox: o} }
