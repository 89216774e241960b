package dialfire

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
)

// Mode says what a read brings.
type Mode string

// The modes. Init and Update start over with each read unless the last one was cut
// off; Sync and Webhook are meant to be read again and again.
const (
	Init    Mode = "db_init"   // all contacts, or those changed since the start, and inbound calls
	Update  Mode = "db_update" // the same from the start, a week ago unless it is set
	Sync    Mode = "db_sync"   // like Init without a cursor, then what has changed since
	Webhook Mode = "webhook"   // the transactions since the start
)

// Held is what the target knows of a contact.
type Held struct{ MD5, Version string }

// Holdings is what the target holds already. It is asked while batches are written,
// from several goroutines.
type Holdings interface {
	// Contacts gives what is held of up to about a thousand contacts; those that are not
	// held are left out.
	Contacts(ctx context.Context, ids []string) (map[string]Held, error)
}

// Config says what to read and how. The zero value of a field is its default where
// one is named.
type Config struct {
	BaseURL  string // absolute http or https; default https://api.dialfire.com
	Campaign string
	Token    string // secret
	// TokenFunc gives the token instead, as from a file: when it is first needed, and
	// again when it was refused.
	TokenFunc func() (string, error)

	Mode   Mode
	Start  time.Time // see Mode; zero is none
	Resume time.Time // of Sync and Webhook: the start where there is neither Start nor a cursor
	Filter Filter    // of transactions
	// TablePrefix, MaxFields, EmptyAsNull and LegacyValues say what tables look like
	// and what goes into them; see docs on the contact sync.
	TablePrefix               string
	MaxFields                 int // of custom fields; 0 is all
	EmptyAsNull, LegacyValues bool
	History                   bool // webhook: also transactions from before the start

	Workers int // calls at a time; default 32
	PerCall int // contacts a call; default 20

	// Full makes a read a verification, whatever the mode of the database: the contacts
	// are listed from the start on, or from the one that the cursor began with, those of
	// the target that have vanished are found, and so are inbound calls that have, and
	// rows whose contact is unknown; the cursor is given back as it was.
	Full bool
	// Dry says that nothing lands. What changes during the first listing is then not
	// listed again, since all of that would be found to differ once more.
	Dry bool
	// Distrust brings every contact that is listed, also where its MD5 is the target's.
	Distrust  bool
	Holdings  Holdings  // of the target; webhook needs none
	Inventory Inventory // of the target; only Full needs it

	Timeout  time.Duration // of one request; default a minute
	Patience time.Duration // how long one call is tried; default ten minutes
	Version  string        // of this program, for the User-Agent
	Logger   *slog.Logger  // default discards
	Now      func() time.Time
}

const (
	defaultBase  = "https://api.dialfire.com"
	defaultStart = 7 * 24 * time.Hour // ago, of Update
	// maxAnswerBytes bounds one answer. A group of contacts with a larger one is halved.
	maxAnswerBytes = 32 << 20
)

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = defaultBase
	}
	if c.TokenFunc == nil {
		token := c.Token
		c.TokenFunc = func() (string, error) { return token, nil }
	}
	if c.Workers <= 0 {
		c.Workers = 32
	}
	if c.PerCall <= 0 {
		c.PerCall = 20
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Minute
	}
	if c.Patience <= 0 {
		c.Patience = 10 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// campaign is the address that all requests begin with.
func (c Config) campaign() (*url.URL, error) {
	base, err := httpclient.ParseBase("the base URL", c.BaseURL, defaultBase)
	if err != nil {
		return nil, err
	}
	switch c.Campaign {
	case "":
		return nil, unconfigured("there is no campaign", "name the campaign to sync")
	case ".", "..":
		return nil, unconfigured("the campaign is a relative path", "name the campaign by its id")
	}
	return base.JoinPath("api", "campaigns", url.PathEscape(c.Campaign)), nil
}

func (c Config) check() error {
	switch c.Mode {
	case Init, Update, Sync, Webhook:
	default:
		return unconfigured("the mode is none of db_init, db_update, db_sync and webhook", "choose one of them")
	}
	switch {
	case c.Mode == Webhook && c.Full:
		return unconfigured("a webhook cannot be verified", "verify a database")
	case c.Mode != Webhook && c.Holdings == nil, c.Full && c.Inventory == nil:
		return unconfigured("there is no target to compare with", "name a database")
	}
	return nil
}

func unconfigured(detail, hint string) error {
	return &fault.Error{Kind: fault.Unconfigured, Code: "not_configured", Detail: detail, Hint: hint}
}
