// Package whatsapp sends messages by the WhatsApp Business Cloud API.
//
// A recipient is a phone number in the international form. Free text reaches it
// only within 24 hours of its last message to us. Each message carries the
// delivery's UID, which comes back with the webhooks that tell what became of it.
package whatsapp

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/channel/messenger"
	"ferryman/internal/httpclient"
	"ferryman/internal/outbox"
)

// What messages give as examples.
const (
	vendorURL   = "https://graph.facebook.com"
	someVersion = "v23.0"
)

// Config says how to reach the API. The checked settings fill it.
type Config struct {
	BaseURL       string // absolute http or https
	APIVersion    string // such as v23.0
	PhoneNumberID string // of the sender, in digits: not the number itself
	Token         string
	Timeout       time.Duration
	Version       string // of this program, for the User-Agent
	Concurrency   int    // how many messages may be on their way at once
	Logger        *slog.Logger
}

// Channel is an outbox.Channel. It is safe for concurrent use.
type Channel struct {
	client  *messenger.Client
	address *url.URL
	token   string
}

// New makes a channel. A wrong or missing setting is a fault of kind Unconfigured.
func New(c Config) (*Channel, error) {
	base, err := httpclient.ParseBase("WHATSAPP_BASE_URL", c.BaseURL, vendorURL)
	if err != nil {
		return nil, err
	}
	if err := messenger.CheckToken("WHATSAPP_TOKEN", c.Token); err != nil {
		return nil, err
	}
	if !only(c.PhoneNumberID, "0123456789") {
		return nil, messenger.Unconfigured("WHATSAPP_PHONE_NUMBER_ID is not a number", "set the id that the app's page shows beside the phone number")
	}
	if !strings.HasPrefix(c.APIVersion, "v") || !only(c.APIVersion[1:], "0123456789.") {
		return nil, messenger.Unconfigured("WHATSAPP_API_VERSION is not a version", "set one such as "+someVersion)
	}
	return &Channel{
		client: messenger.NewClient(
			messenger.Vendor{Address: "WHATSAPP_BASE_URL", Token: "WHATSAPP_TOKEN", Own: read},
			httpclient.Options{Timeout: c.Timeout, Version: c.Version, Conns: c.Concurrency, Logger: c.Logger},
		),
		address: base.JoinPath(c.APIVersion, c.PhoneNumberID, "messages"),
		token:   c.Token,
	}, nil
}

func only(s, characters string) bool { return s != "" && strings.Trim(s, characters) == "" }

// Close closes idle connections.
func (c *Channel) Close() { c.client.Close() }

type message struct {
	Product string `json:"messaging_product"`
	To      string `json:"to"`
	Type    string `json:"type"`
	Text    text   `json:"text"`
	UID     string `json:"biz_opaque_callback_data"`
}

type text struct {
	Body string `json:"body"`
}

// Send implements outbox.Channel.
func (c *Channel) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	r := httpclient.Request{URL: c.address, Bearer: c.token}
	return c.client.Post(ctx, r, message{"whatsapp", d.Recipient, "text", text{d.Payload}, d.UID})
}

type answer struct {
	Messages []struct {
		ID string `json:"id"`
	} `json:"messages"`
	Error *failure `json:"error"`
}

type failure struct {
	Code      *int `json:"code"`
	Subcode   int  `json:"error_subcode"`
	Transient bool `json:"is_transient"`
}

// read reads an answer of the API: by its code, for the HTTP statuses of errors
// tell little.
func read(e httpclient.Exchange) (outbox.Outcome, bool) {
	var a answer
	if !messenger.Decode(e.Body, &a) {
		return outbox.Outcome{}, false
	}
	switch {
	case a.Error != nil && a.Error.Code != nil:
		o := a.Error.meaning(e.Status)
		o.Code = strconv.Itoa(*a.Error.Code)
		return o, true
	case len(a.Messages) > 0 && a.Messages[0].ID != "":
		return outbox.Outcome{Verdict: outbox.Accepted, Reference: a.Messages[0].ID}, e.Status < 300
	default:
		return outbox.Outcome{}, false
	}
}
