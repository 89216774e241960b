// Package config holds Ferryman's settings: what there is to set, where a value
// comes from, and how it is shown.
//
// One table (see table) describes every setting; loading, flags, help,
// `config show` and docs/configuration.md all come from it. A setting is taken
// from the first of these that gives a value that is not empty:
//
//  1. its command-line flag,
//  2. the .env file,
//  3. the exported environment variable,
//  4. its default.
//
// Nothing is written to the process's environment. Problems are collected and
// reported together. Neither an error nor a warning ever quotes a value, and a
// Config can be printed, logged and encoded without giving a secret away.
package config

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Config is the checked settings. Its paths are absolute.
type Config struct {
	Server    Server
	Store     Store
	Warehouse Warehouse
	Outbox    Outbox
	Push      Push
	Contacts  Contacts
	Campaigns []Campaign // of the campaigns file, in its order, complete and checked
	Exec      Exec
	Log       Log
	Traces    Traces

	// Refused are the campaigns of the file that are wrong, where Input.OneCampaign lets
	// that be.
	Refused []RefusedCampaign

	shown []Shown
}

// RefusedCampaign is a campaign of the file that cannot be used.
type RefusedCampaign struct {
	Name, ID string // "" where they are what is wrong, or not there
	Err      error  // what is wrong with it, of kind Unconfigured
}

// Server is what the HTTP server needs.
type Server struct {
	Listen       string        // host:port; an empty host is every address, port 0 any free one
	Hosts        []string      // names without port, in lower case, under which a proxy may reach a loopback address
	InsecureOpen bool          // ask for no key beyond loopback, either
	StopGrace    time.Duration // how long a stop waits for work in hand
	KeyRate      int64         // calls a second that one key may make; 0: no limit
	// TrustedProxies are the networks of the peers whose X-Forwarded headers are believed.
	TrustedProxies []netip.Prefix
	TLSCert        string // path of the certificate, in PEM; "": plain HTTP
	TLSKey         string // path of its key; "" where TLSCert is
}

// Store is Ferryman's own state.
type Store struct {
	StateDir    string   // need not exist yet
	URL         Database // SQLite or PostgreSQL
	Synchronous string   // SQLite's durability: FULL, EXTRA or NORMAL
	Secret      Secret   // what the hashes of API keys are made with; empty: kept in a file
}

// Warehouse is the warehouse sync: its upstream API and its target. It is valid
// without any credentials; the sync then says what to set.
type Warehouse struct {
	Database   Database // SQLite, PostgreSQL or MySQL/MariaDB
	BaseURL    string   // http or https, without a slash at its end
	Token      Secret   // never expires; wins over User and Password
	User       string
	Password   Secret
	RetryToken time.Duration // pause after a token request that failed
	Interval   time.Duration // between scheduled syncs
	Timeout    time.Duration // of one call
	MaxAnswer  int64         // bytes that one answer may have
}

// Unset tells whether nobody has set up the sync: by its interval it would fail each
// time, on a server that is there for other things.
func (w Warehouse) Unset() bool { return w.Token.Empty() && w.User == "" && w.Password.Empty() }

// Outbox is how deliveries of every kind are sent.
type Outbox struct {
	Concurrency int           // attempts at the same time, of each channel on this node
	Timeout     time.Duration // of one attempt
	Hold        bool          // what is uncertain waits for a person instead of being sent again
	Keep        time.Duration // of attempts
	AllowHosts  []string      // host or host:port that webhooks may reach although the address is private
}

// Push is the messengers. Each is valid without its token: its messages wait.
type Push struct {
	Attempts int // of a message, at most
	Telegram Telegram
	Viber    Viber
	WhatsApp WhatsApp
}

// Messenger is what all messengers have. Rates are as in "30/s", "100/h", "1/6s"
// or "none".
type Messenger struct {
	Token         Secret
	BaseURL       string // http or https, without a slash at its end
	Rate          string // of all messages together
	RecipientRate string // of the messages to one recipient
}

// Telegram is the Bot API.
type Telegram struct{ Messenger }

// Viber is the REST API of a Viber bot.
type Viber struct {
	Messenger

	Sender string // the name that people see
}

// WhatsApp is the Business Cloud API.
type WhatsApp struct {
	Messenger

	PhoneNumberID string
	APIVersion    string // such as v23.0
}

// Contacts is what a campaign that stands in no file is synced with, where the
// command line does not say it.
type Contacts struct {
	Token  Secret
	Target Secret // URL of a database or a web service
}

// Exec is how commands reach a server: those that report a cron, and those of
// messages.
type Exec struct {
	URL      string // of the server, without a slash at its end
	Key      Secret // empty means that no run can be reported
	SpoolDir string // need not exist yet; "" only beside an error
	// Cert is the path of the server's certificate, by which it is known where URL leads to
	// this machine: there it goes by no name. "" where that is not so.
	Cert string
}

// Log is how the program logs.
type Log struct {
	Level slog.Level
	JSON  bool // one JSON object a line instead of key=value text
}

// Traces is where OpenTelemetry traces go, and which.
type Traces struct {
	URL        string            // of the collector's call that takes them; "": nothing is traced
	Headers    map[string]Secret // sent with each call, by name
	Sampler    string            // as OTEL_TRACES_SAMPLER names it
	Ratio      float64           // for a sampler that goes by it: 0 to 1
	Service    string
	Attributes map[string]string // of the service, besides
	Disabled   bool              // trace nothing, whatever URL is
}

// Origin tells where a value came from.
type Origin string

// The origins, the strongest last.
const (
	FromDefault     Origin = "default"
	FromEnvironment Origin = "environment"
	FromEnvFile     Origin = ".env"
	FromFlag        Origin = "flag"
)

// Shown is one setting as people may see it.
type Shown struct {
	Section Section `json:"section"`
	Name    string  `json:"name"`
	Value   string  `json:"value"` // "" is unset, Mask a secret, "(invalid)" a value that was refused
	Origin  Origin  `json:"origin"`
	Detail  string  `json:"detail,omitempty"` // such as ".env line 3" or the variable that named a file
	Secret  bool    `json:"secret,omitempty"`

	Default string `json:"-"` // or in words how it is made; "" is unset
	Help    string `json:"-"` // what it does
}

const invalid = "(invalid)"

// Show lists every setting in the order of the documentation, with secrets and
// the passwords in URLs masked. It also works on the Config that Load gives
// beside an error.
func (c Config) Show() []Shown { return slices.Clone(c.shown) }

// Warning is something that Load noticed and that keeps nothing from working.
type Warning struct {
	Name   string // the variable
	Detail string
}

// String joins name and detail.
func (w Warning) String() string { return w.Name + ": " + w.Detail }
