// Package telegram sends messages by the Telegram Bot API.
//
// A recipient is a chat's number, that of a group being negative, or the @name of
// a channel. The token is part of every request's path: errors and the log show
// /botTOKEN/ in its place.
package telegram

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/channel/messenger"
	"ferryman/internal/httpclient"
	"ferryman/internal/outbox"
)

// vendorURL is the API's own address.
const vendorURL = "https://api.telegram.org"

// Config says how to reach the API. The checked settings fill it.
type Config struct {
	BaseURL     string // absolute http or https
	Token       string // of the bot
	Timeout     time.Duration
	Version     string // of this program, for the User-Agent
	Concurrency int    // how many messages may be on their way at once
	Logger      *slog.Logger
}

// Channel is an outbox.Channel. It is safe for concurrent use.
type Channel struct {
	client  *messenger.Client
	address *url.URL
	shown   *url.URL
	token   string
}

// New makes a channel. A wrong or missing setting is a fault of kind Unconfigured.
func New(c Config) (*Channel, error) {
	base, err := httpclient.ParseBase("TELEGRAM_BASE_URL", c.BaseURL, vendorURL)
	if err != nil {
		return nil, err
	}
	if err := messenger.CheckToken("TELEGRAM_TOKEN", c.Token); err != nil {
		return nil, err
	}
	if strings.ContainsAny(c.Token, "/?#%") {
		return nil, messenger.Unconfigured("TELEGRAM_TOKEN is not of the form 123456:ABC-DEF", "set it to what @BotFather gave")
	}
	return &Channel{
		client: messenger.NewClient(
			messenger.Vendor{Address: "TELEGRAM_BASE_URL", Token: "TELEGRAM_TOKEN", Own: read},
			httpclient.Options{Timeout: c.Timeout, Version: c.Version, Conns: c.Concurrency, Logger: c.Logger},
		),
		address: base.JoinPath("bot"+c.Token, "sendMessage"),
		shown:   base.JoinPath("botTOKEN", "sendMessage"),
		token:   c.Token,
	}, nil
}

// Close closes idle connections.
func (c *Channel) Close() { c.client.Close() }

type message struct {
	ChatID jsontext.Value `json:"chat_id"`
	Text   string         `json:"text"`
}

// Send implements outbox.Channel.
func (c *Channel) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	r := httpclient.Request{URL: c.address, Shown: c.shown, Secrets: []string{c.token}}
	return c.client.Post(ctx, r, message{chatID(d.Recipient), d.Payload})
}

// chatID is a number where the recipient is one, and else a name. A number in
// another spelling than its own is none, for it would come out as another text.
func chatID(recipient string) jsontext.Value {
	if n, err := strconv.ParseInt(recipient, 10, 64); err == nil && strconv.FormatInt(n, 10) == recipient {
		return jsontext.Value(recipient)
	}
	quoted, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(recipient, "\uFFFD"))
	if err != nil {
		return jsontext.Value(`""`)
	}
	return quoted
}

type answer struct {
	OK          *bool          `json:"ok"`
	Code        int            `json:"error_code"`
	Description string         `json:"description"`
	Result      jsontext.Value `json:"result"`
	Parameters  struct {
		RetryAfter int64 `json:"retry_after"`
	} `json:"parameters"`
}

// meanings are what error codes mean: those of HTTP, to which the API keeps. What
// is not here goes by its class.
var meanings = map[int]outbox.Outcome{
	http.StatusBadRequest:            {Verdict: outbox.Rejected},
	http.StatusUnauthorized:          {Verdict: outbox.Blocked, Detail: "check TELEGRAM_TOKEN"},
	http.StatusForbidden:             {Verdict: outbox.Rejected}, // blocked by the user, or put out of the group
	http.StatusNotFound:              {Verdict: outbox.Blocked, Detail: "check TELEGRAM_TOKEN and TELEGRAM_BASE_URL"},
	http.StatusConflict:              {Verdict: outbox.Retry, Trouble: true},
	http.StatusRequestEntityTooLarge: {Verdict: outbox.Rejected},
	// About a chat, or about all of the bot's: the answer does not tell. So the chat
	// rests, and many in a row make the channel rest as well.
	http.StatusTooManyRequests: {Verdict: outbox.Retry, Rest: outbox.TheRecipient, Trouble: true},
	420:                        {Verdict: outbox.Retry, Rest: outbox.TheRecipient, Trouble: true}, // as it was once
}

// read reads an answer of the API.
func read(e httpclient.Exchange) (outbox.Outcome, bool) {
	var a answer
	if !messenger.Decode(e.Body, &a) || a.OK == nil {
		return outbox.Outcome{}, false
	}
	if *a.OK {
		return outbox.Outcome{Verdict: outbox.Accepted, Reference: reference(a.Result)}, e.Status < 300
	}
	if a.Code == 0 {
		a.Code = e.Status
	}
	o, known := meanings[a.Code]
	switch {
	case known:
	case a.Code/100 == 4:
		o.Verdict = outbox.Rejected
	default:
		o.Verdict, o.Trouble = outbox.Retry, true
	}
	if a.Description == "Logged out" {
		o = outbox.Outcome{Verdict: outbox.Blocked, Detail: "the bot was moved to another server: check TELEGRAM_BASE_URL"}
	}
	o.Code = strconv.Itoa(a.Code)
	if o.Verdict == outbox.Retry {
		o.RetryAfter = messenger.Seconds(a.Parameters.RetryAfter)
	}
	return o, true
}

// reference is the number that the chat has for the message.
func reference(result jsontext.Value) string {
	var m struct {
		ID int64 `json:"message_id"`
	}
	if !messenger.Decode(result, &m) || m.ID == 0 {
		return ""
	}
	return strconv.FormatInt(m.ID, 10)
}

// Recipient gives the rate of each recipient: for groups and channels that of
// groups, 20 a minute, if rate allows more.
func Recipient(rate outbox.Rate) func(string) outbox.Rate {
	group := outbox.Rate{N: 20, Per: time.Minute}
	if rate.N > 0 && rate.Per/time.Duration(rate.N) >= group.Per/time.Duration(group.N) {
		group = rate
	}
	return func(recipient string) outbox.Rate {
		if strings.HasPrefix(recipient, "-") || strings.HasPrefix(recipient, "@") {
			return group
		}
		return rate
	}
}
