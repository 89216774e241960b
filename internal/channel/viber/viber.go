// Package viber sends messages by Viber's REST API for bots.
//
// A recipient is what Viber calls a user for this bot. It must have written to the
// bot, or subscribed to it.
package viber

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/channel/messenger"
	"ferryman/internal/httpclient"
	"ferryman/internal/outbox"
)

// vendorURL is the API's own address.
const vendorURL = "https://chatapi.viber.com"

// The API's bounds.
const (
	maxSender = 28       // characters
	maxBody   = 30 << 10 // bytes of JSON
)

// Config says how to reach the API. The checked settings fill it.
type Config struct {
	BaseURL     string // absolute http or https
	Token       string // of the bot
	Sender      string // the name that messages show; at most 28 characters
	Timeout     time.Duration
	Version     string // of this program, for the User-Agent
	Concurrency int    // how many messages may be on their way at once
	Logger      *slog.Logger
}

// Channel is an outbox.Channel. It is safe for concurrent use.
type Channel struct {
	client  *messenger.Client
	address *url.URL
	token   string
	sender  string
}

// New makes a channel. A wrong or missing setting is a fault of kind Unconfigured.
func New(c Config) (*Channel, error) {
	base, err := httpclient.ParseBase("VIBER_BASE_URL", c.BaseURL, vendorURL)
	if err != nil {
		return nil, err
	}
	if err := messenger.CheckToken("VIBER_TOKEN", c.Token); err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(c.Sender); n == 0 || n > maxSender {
		return nil, messenger.Unconfigured("VIBER_SENDER has "+strconv.Itoa(n)+" characters", "set a name of 1 to 28 characters")
	}
	if strings.TrimSpace(c.Sender) == "" {
		return nil, messenger.Unconfigured("VIBER_SENDER is blank", "set a name of 1 to 28 characters")
	}
	return &Channel{
		client: messenger.NewClient(
			messenger.Vendor{Address: "VIBER_BASE_URL", Token: "VIBER_TOKEN", MaxBody: maxBody, Own: read},
			httpclient.Options{Timeout: c.Timeout, Version: c.Version, Conns: c.Concurrency, Logger: c.Logger},
		),
		address: base.JoinPath("pa", "send_message"),
		token:   c.Token,
		sender:  c.Sender,
	}, nil
}

// Close closes idle connections.
func (c *Channel) Close() { c.client.Close() }

type message struct {
	Receiver string `json:"receiver"`
	Type     string `json:"type"`
	Text     string `json:"text"`
	Sender   sender `json:"sender"`
}

type sender struct {
	Name string `json:"name"`
}

// Send implements outbox.Channel.
func (c *Channel) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	r := httpclient.Request{URL: c.address, Header: http.Header{"X-Viber-Auth-Token": {c.token}}, Secrets: []string{c.token}}
	return c.client.Post(ctx, r, message{d.Recipient, "text", d.Payload, sender{c.sender}})
}

type answer struct {
	Status *int           `json:"status"`
	Token  jsontext.Value `json:"message_token"` // a number beyond what a float holds, or a string
}

// meanings are what the statuses of answers mean. The account is no message's
// fault.
var meanings = map[int]outbox.Outcome{
	0:  {Verdict: outbox.Accepted},
	1:  {Verdict: outbox.Rejected},                             // invalid URL
	2:  {Verdict: outbox.Blocked, Detail: "check VIBER_TOKEN"}, // invalid token
	3:  {Verdict: outbox.Rejected},                             // bad data
	4:  {Verdict: outbox.Rejected},                             // missing data
	5:  {Verdict: outbox.Rejected},                             // the receiver is not registered
	6:  {Verdict: outbox.Rejected},                             // nor subscribed
	7:  {Verdict: outbox.Blocked, Detail: "the account is blocked"},
	8:  {Verdict: outbox.Blocked, Detail: "the account is not found"},
	9:  {Verdict: outbox.Blocked, Detail: "the account is suspended"},
	10: {Verdict: outbox.Blocked, Detail: "the account has no webhook"},
	11: {Verdict: outbox.Rejected}, // no suitable device
	// About a user, whose quota by the hour is used up, or about all of the bot's: the
	// answer does not tell, and names no time. So the user rests for one share of that
	// quota, and many in a row make the channel rest as well.
	12: {Verdict: outbox.Retry, Rest: outbox.TheRecipient, RetryAfter: 36 * time.Second, Trouble: true},
	13: {Verdict: outbox.Rejected}, // the API version is not supported
	14: {Verdict: outbox.Rejected}, // incompatible with the version
	15: {Verdict: outbox.Blocked, Detail: "the account is not authorized"},
	16: {Verdict: outbox.Rejected}, // no inline reply allowed
	17: {Verdict: outbox.Rejected}, // the account is not inline
	18: {Verdict: outbox.Rejected}, // no public chat
	19: {Verdict: outbox.Rejected}, // cannot broadcast
	20: {Verdict: outbox.Rejected}, // may not broadcast
	21: {Verdict: outbox.Rejected}, // the country is not supported
	22: {Verdict: outbox.Rejected}, // no payments
	23: {Verdict: outbox.Blocked, Detail: "the free messages are used up"},
	24: {Verdict: outbox.Blocked, Detail: "the account has no balance"},
}

// read reads an answer of the API, which has the HTTP status 200 whatever it says.
func read(e httpclient.Exchange) (outbox.Outcome, bool) {
	var a answer
	if !messenger.Decode(e.Body, &a) || a.Status == nil {
		return outbox.Outcome{}, false
	}
	o, known := meanings[*a.Status]
	switch {
	case !known: // a general error, as the documentation calls all others
		o.Verdict, o.Trouble = outbox.Retry, true
	case o.Verdict == outbox.Accepted:
		o.Reference = strings.Trim(string(a.Token), `"`)
		return o, e.Status < 300
	}
	o.Code = strconv.Itoa(*a.Status)
	return o, true
}
