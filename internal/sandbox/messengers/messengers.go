// Package messengers simulates what messages are delivered to: the bot API of
// Telegram, the REST API of Viber, the cloud API of WhatsApp Business, and a
// receiver of webhooks.
//
// It answers as the vendors do, with their rate limits, their texts and their
// error codes, and remembers what arrived, so that a test can ask what came how
// often. Certain recipients always fail (see Special). Faults make it refuse,
// stall, truncate, or take a message without saying so; the control API under
// /_sandbox/ does the same over HTTP, from loopback only. The package imports
// nothing of Ferryman, so that a shared bug cannot pass.
package messengers

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"ferryman/internal/sandbox/faults"
)

// Messenger is one of the simulated services. It is also the first element of
// the paths that the service answers at, but for Webhook, whose is "hooks".
type Messenger string

// The messengers.
const (
	Telegram Messenger = "telegram"
	Viber    Messenger = "viber"
	WhatsApp Messenger = "whatsapp"
	Webhook  Messenger = "webhook"
)

// all is every messenger, in the order in which people see them.
var all = [...]Messenger{Telegram, Viber, WhatsApp, Webhook}

// Where the messengers answer: what a base URL has after the host.
const (
	TelegramPath = "/telegram" // + /bot{token}/sendMessage
	ViberPath    = "/viber"    // + /pa/send_message
	WhatsAppPath = "/whatsapp" // + /{version}/{phone number id}/messages
	HooksPath    = "/hooks"    // + /{name}
)

// Paths are all that the simulator answers at, control API included, for a mux
// that it shares: those that end in a slash are the front of longer ones.
func Paths() []string {
	return []string{
		TelegramPath + "/", ViberPath + "/", WhatsAppPath + "/", HooksPath + "/",
		"/_sandbox/messages", "/_sandbox/arrivals", "/_sandbox/messengers/",
	}
}

// Defaults of Options.
const (
	DefaultTelegramToken = "700100200:sandbox-telegram"
	DefaultViberToken    = "sandbox-viber"
	DefaultWhatsAppToken = "sandbox-whatsapp"
	DefaultPhoneNumberID = "300400500600"
	DefaultKeep          = 100_000
)

// Options say what is simulated. The zero value has the default tokens, no rate
// limits and no faults.
type Options struct {
	TelegramToken string           // DefaultTelegramToken if empty
	ViberToken    string           // DefaultViberToken if empty
	WhatsAppToken string           // DefaultWhatsAppToken if empty
	PhoneNumberID string           // of WhatsApp; DefaultPhoneNumberID if empty
	Limits        Limits           // VendorLimits for the real ones
	Faults        []Fault          // faults from the start
	Keep          int              // how many arrivals are kept to look at; DefaultKeep if 0
	Journal       io.Writer        // gets each arrival as a line of JSON, in one Write, before the answer; may be nil
	Now           func() time.Time // the clock of limits, faults and arrivals; time.Now if nil
}

// Server is the simulator. It is an http.Handler and safe for concurrent use.
type Server struct {
	now      func() time.Time
	mux      *http.ServeMux
	view     faults.Page
	limits   limiter
	faults   *faults.List
	arrivals arrivals
	requests [len(all)]atomic.Int64
	refused  [len(all)]atomic.Int64
}

// New builds a simulator. It fails on options that make no sense, such as a
// fault without a status.
func New(o Options) (*Server, error) {
	if o.Keep < 0 || o.Keep > maxKeep {
		return nil, fmt.Errorf("keep is %d, not between 0 and %d", o.Keep, maxKeep)
	}
	s := &Server{now: o.Now, mux: http.NewServeMux(), view: parsePage()}
	if s.now == nil {
		s.now = time.Now
	}
	s.faults = faults.NewList(dialect(), s.now)
	s.arrivals.init(cmp.Or(o.Keep, DefaultKeep), o.Journal)
	if err := s.SetLimits(o.Limits); err != nil {
		return nil, err
	}
	for _, f := range o.Faults {
		if _, err := s.Inject(f); err != nil {
			return nil, err
		}
	}
	s.mux.HandleFunc(TelegramPath+"/{bot}/{method}", s.serve(telegram{token: cmp.Or(o.TelegramToken, DefaultTelegramToken)}))
	s.mux.HandleFunc(ViberPath+"/pa/send_message", s.serve(viber{token: cmp.Or(o.ViberToken, DefaultViberToken)}))
	s.mux.HandleFunc(WhatsAppPath+"/{version}/{number}/messages", s.serve(whatsApp{
		token: cmp.Or(o.WhatsAppToken, DefaultWhatsAppToken), number: cmp.Or(o.PhoneNumberID, DefaultPhoneNumberID),
	}))
	s.mux.HandleFunc(HooksPath+"/{name}", s.serve(webhook{}))
	s.control()
	return s, nil
}

// ServeHTTP answers a call of a messenger's API, or of the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// index is where a messenger stands in all, or -1.
func (m Messenger) index() int {
	for i, other := range all {
		if m == other {
			return i
		}
	}
	return -1
}
