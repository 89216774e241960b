// Package webhook posts deliveries to an endpoint as the Standard Webhooks
// specification has it: a JSON body, with an id that is the same at each attempt,
// the attempt's time, and a signature over all three.
//
// A status of 200 to 299 settles a delivery. After 410 the endpoint wants no more,
// and the channel is blocked. Everything else is worth another attempt until the
// channel's profile is exhausted; 429, 502, 503 and 504, and a network that fails,
// are the endpoint's trouble. Redirects are not followed.
//
// With Guard, what is not an address of the public Internet is refused when it is
// about to be connected to, whatever name led there. That is the endpoint's fault
// and no delivery's: an endpoint given by such an address is blocked until a
// person acts, and one given by a name is tried again, as the name may lead
// elsewhere by then.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
	"ferryman/internal/outbox"
)

// Config is an endpoint and how to reach it.
type Config struct {
	URL string // http or https; user information is sent as basic authentication
	// Secrets sign, each of 24 to 64 bytes; the newest comes first, and during a
	// rotation there are two. None: nothing is signed.
	Secrets [][]byte

	Guard      bool     // connect to public addresses only, and through no proxy
	AllowHosts []string // hosts, each with a port or without, that Guard lets pass

	Timeout time.Duration // of an attempt; 30 s if 0
	Version string        // of the User-Agent
	Logger  *slog.Logger  // gets one debug line an attempt; nil for none
	Conns   int           // connections at the same time; 8 if 0
	Trace   bool          // tell the endpoint of which trace an attempt is, where it is of one
}

// Bounds of what is read of an answer, and of what an endpoint may ask for.
const (
	maxAnswer     = 64 << 10
	maxRetryAfter = 24 * time.Hour
)

// Channel posts to one endpoint. It is safe for concurrent use.
type Channel struct {
	url     *url.URL
	shown   *url.URL // what errors and the log show in its place
	secrets [][]byte
	hidden  []string // what no error may show
	client  *httpclient.Client
}

// New makes a channel. A URL or a secret that cannot be used is a fault of kind
// Invalid.
func New(c Config) (*Channel, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "webhook_url", Detail: "the webhook's URL is no http or https address"}
	}
	for _, s := range c.Secrets {
		if len(s) < MinSecret || len(s) > MaxSecret {
			return nil, &fault.Error{
				Kind: fault.Invalid, Code: "webhook_secret",
				Detail: fmt.Sprintf("a webhook's secret has %d bytes, and not %d to %d", len(s), MinSecret, MaxSecret),
			}
		}
	}
	options := httpclient.Options{
		Timeout: c.Timeout, MaxAnswerBytes: maxAnswer, Version: c.Version, Logger: c.Logger, Conns: c.Conns, Direct: c.Guard, Trace: c.Trace,
		Settings: httpclient.Settings{Address: "the webhook's URL"},
	}
	if c.Guard && !allowed(u, c.AllowHosts) {
		options.Control = onlyPublic()
	}
	return &Channel{url: u, shown: shown(u), secrets: c.Secrets, hidden: secretsOf(u, c.Secrets), client: httpclient.New(options)}, nil
}

// Close closes the connections that are idle.
func (c *Channel) Close() { c.client.Close() }

// Send implements outbox.Channel.
func (c *Channel) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	body := []byte(d.Payload)
	e, err := c.client.Exchange(ctx, httpclient.Request{
		Method: http.MethodPost, URL: c.url, Shown: c.shown, Body: body, Secrets: c.hidden,
		Header: headers(d.UID, time.Now(), body, c.secrets),
	})
	if e.Status == 0 {
		return c.unanswered(e.Written, err)
	}
	return judge(e) // the status tells, even if the rest of the answer did not come
}

// unanswered is an attempt without an answer.
func (c *Channel) unanswered(written bool, err error) outbox.Outcome {
	o := outbox.Outcome{
		Verdict: outbox.Retry, Code: fault.CodeOf(err), Detail: shorten(err.Error()),
		Trouble: fault.KindOf(err) != fault.Canceled,
	}
	switch {
	case errors.Is(err, errNotPublic):
		o.Code, o.Detail = "address_refused", shorten("FERRYMAN_WEBHOOK_ALLOW_HOSTS does not name this host, and its address is not public: "+err.Error())
		if _, err := netip.ParseAddr(c.url.Hostname()); err == nil {
			o.Verdict = outbox.Blocked
		}
	case written:
		o.Verdict = outbox.Uncertain
	}
	return o
}

// judge is what an answer means.
func judge(e httpclient.Exchange) outbox.Outcome {
	o := outbox.Outcome{Verdict: outbox.Accepted, Status: e.Status, Detail: e.Excerpt(outbox.MaxDetail)}
	if e.Status >= 200 && e.Status <= 299 {
		return o
	}
	o.Code = "http_" + strconv.Itoa(e.Status)
	if o.Detail == "" {
		o.Detail = http.StatusText(e.Status)
	}
	if e.Status == http.StatusGone {
		o.Verdict, o.Detail = outbox.Blocked, shorten("the endpoint wants no more deliveries: "+o.Detail)
		return o
	}
	o.Verdict, o.RetryAfter = outbox.Retry, e.RetryAfter(maxRetryAfter)
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		o.Trouble, o.Rest = true, outbox.TheChannel
	}
	return o
}

func shorten(s string) string {
	if len(s) > outbox.MaxDetail {
		s = strings.ToValidUTF8(s[:outbox.MaxDetail], "")
	}
	return s
}
