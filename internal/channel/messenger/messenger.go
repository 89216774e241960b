// Package messenger holds what the channels of messengers have in common: the
// client of the vendor's API, and what an exchange means whose answer is not the
// vendor's own.
//
// Only what the vendor itself says ends a message. An answer in another form
// comes from something in between, such as a proxy, or from a vendor in trouble,
// and is no reason to fail what the next attempt may bring through: the attempt is
// repeated, or the channel waits for a person, where the address or the token is
// what is wrong.
package messenger

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
	"ferryman/internal/outbox"
)

// maxAnswerBytes is how much of an answer is read. The vendors' have a few hundred.
const maxAnswerBytes = 64 << 10

// LongestWait bounds what an answer may ask to wait for.
const LongestWait = 24 * time.Hour

// Vendor is what is special about a messenger's API.
type Vendor struct {
	Address, Token string // the names of the settings
	MaxBody        int    // bytes of a request; 0 is no bound
	// Own reads an answer in the vendor's own form, whatever its status; false says
	// that it is none. It leaves Status alone, and puts into Detail at most a remedy,
	// what a person should do.
	Own func(e httpclient.Exchange) (outbox.Outcome, bool)
}

// Client sends messages to one vendor. It is safe for concurrent use.
type Client struct {
	vendor Vendor
	http   *httpclient.Client
}

// NewClient makes a client. Of o it sets what is the same for all vendors.
func NewClient(v Vendor, o httpclient.Options) *Client {
	o.MaxAnswerBytes, o.Settings.Address = maxAnswerBytes, v.Address
	return &Client{v, httpclient.New(o)}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.Close() }

// Post sends message, as JSON, by a request that is ready but for its method and
// body, and tells what came of it.
func (c *Client) Post(ctx context.Context, r httpclient.Request, message any) outbox.Outcome {
	body, err := json.Marshal(message, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return outbox.Outcome{Verdict: outbox.Rejected, Code: "invalid_message", Detail: "the message cannot be written as JSON"}
	}
	if most := c.vendor.MaxBody; most > 0 && len(body) > most {
		return outbox.Outcome{
			Verdict: outbox.Rejected, Code: "message_too_large",
			Detail: fmt.Sprintf("as JSON the message has %d bytes, and the messenger takes at most %d", len(body), most),
		}
	}
	r.Method, r.Body = http.MethodPost, body
	e, err := c.http.Exchange(ctx, r)
	return c.vendor.outcome(ctx, e, err)
}

// Decode reads an answer into v, and tells whether it is JSON that fits. What v
// does not name is passed over.
func Decode(answer []byte, v any) bool {
	return json.Unmarshal(answer, v, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) == nil
}

// outcome is what an exchange that ended in err, or nil, means for the delivery.
func (v Vendor) outcome(ctx context.Context, e httpclient.Exchange, err error) outbox.Outcome {
	if e.Status == 0 {
		return unanswered(ctx, e, err)
	}
	o, own := v.Own(e)
	switch {
	case own:
	case e.Status < 300 && err != nil:
		o = unanswered(ctx, e, err) // what came of the answer does not tell
	default:
		o = v.byStatus(e.Status)
	}
	o.Status = e.Status
	if o.Verdict == outbox.Retry {
		o = rest(o, e)
	}
	if o.Verdict == outbox.Accepted {
		return o
	}
	if text := e.Excerpt(outbox.MaxDetail); text != "" {
		o.Detail = strings.TrimPrefix(o.Detail+": "+text, ": ")
	}
	o.Detail = cut(o.Detail)
	return o
}

// unanswered is the outcome without an answer. Whoever called it off did not find
// the other side in trouble.
func unanswered(ctx context.Context, e httpclient.Exchange, err error) outbox.Outcome {
	o := outbox.Outcome{Verdict: outbox.Retry, Code: fault.CodeOf(err), Detail: cut(err.Error()), Trouble: ctx.Err() == nil}
	if e.Written {
		o.Verdict = outbox.Uncertain
	}
	return o
}

// byStatus is what a status means by itself.
func (v Vendor) byStatus(status int) outbox.Outcome {
	o := outbox.Outcome{Verdict: outbox.Retry, Code: "http_" + strconv.Itoa(status), Trouble: true}
	switch {
	case status < 200:
	case status < 300:
		// Somebody took the request who is not the vendor, or speaks for it in a form
		// of its own. Whether it went on to the vendor is not to be known.
		o.Verdict = outbox.Uncertain
	case status < 400:
		o = blocked(o, "redirects are not followed: check "+v.Address)
	case status == http.StatusUnauthorized:
		o = blocked(o, "check "+v.Token)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		o = blocked(o, "nothing answers there: check "+v.Address)
	case status == http.StatusProxyAuthRequired:
		o = blocked(o, "check the credentials in HTTP_PROXY and HTTPS_PROXY")
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong,
		status == http.StatusRequestHeaderFieldsTooLarge:
		// Whoever says so, this message will always be as large.
		o.Verdict, o.Trouble = outbox.Rejected, false
	}
	return o
}

func blocked(o outbox.Outcome, remedy string) outbox.Outcome {
	o.Verdict, o.Trouble, o.Detail = outbox.Blocked, false, remedy
	return o
}

// rest adds what the header asks for. One that comes with an answer that does not
// say who shall rest is meant for all calls.
func rest(o outbox.Outcome, e httpclient.Exchange) outbox.Outcome {
	if wait := e.RetryAfter(LongestWait); wait > 0 {
		o.RetryAfter = max(o.RetryAfter, wait)
		if o.Rest == outbox.Nobody {
			o.Rest = outbox.TheChannel
		}
	}
	return o
}

// Seconds is how long an answer asks to wait, kept between nothing and LongestWait.
func Seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), int64(LongestWait/time.Second))) * time.Second
}

// cut takes off what is more than an outcome's detail may have.
func cut(s string) string {
	if len(s) <= outbox.MaxDetail {
		return s
	}
	n := outbox.MaxDetail
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// CheckToken refuses, as a fault of kind Unconfigured, what cannot be a token. The
// setting's name, not its value, is in the fault.
func CheckToken(setting, token string) error {
	var wrong string
	switch {
	case token == "":
		wrong = "is not set"
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		wrong = "holds a blank or another character that no token has"
	default:
		return nil
	}
	return Unconfigured(setting+" "+wrong, "set it to what the messenger gave")
}

// Unconfigured is the fault of a setting that is missing or wrong.
func Unconfigured(detail, hint string) error {
	return &fault.Error{Kind: fault.Unconfigured, Code: "not_configured", Detail: detail, Hint: hint}
}
