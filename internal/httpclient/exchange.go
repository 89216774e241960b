package httpclient

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Exchange is what came of a request.
type Exchange struct {
	Status int         // 0 if no answer came
	Header http.Header // of the answer
	Body   []byte      // of the answer, as far as it came and up to the client's limit
	// Written tells whether the other side may have the request. It is false only
	// if it surely has not.
	Written bool

	request Request
	whole   bool // Body is all of the answer
}

// Exchange sends r and gives what came back, whatever its status; an answer beyond
// the client's limit is cut. An error says why there is no answer, or not all of
// one: what did come, and Written, stand beside it.
func (c *Client) Exchange(ctx context.Context, r Request) (Exchange, error) {
	start := time.Now()
	ctx, s := begin(ctx, r)
	e, err := c.exchange(ctx, r)
	if err != nil {
		err = explain(err, r, redactorOf(r))
	}
	c.note(ctx, r, e.Status, start)
	end(s, e.Status, err)
	return e, err
}

func (c *Client) exchange(ctx context.Context, r Request) (Exchange, error) {
	e := Exchange{request: r}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	// The first header is told of before anything is handed to the connection. What
	// comes later, as that the request was written, may be told of too late.
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaderField: func(string, []string) { written.Store(true) },
	})
	req, err := c.build(ctx, r)
	if err != nil {
		return e, c.transportFault(ctx, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		e.Written = written.Load() && !unprocessed(err)
		return e, c.transportFault(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()

	e.Written, e.Status, e.Header = true, resp.StatusCode, resp.Header
	e.Body, err = io.ReadAll(io.LimitReader(resp.Body, c.limit))
	if err != nil {
		return e, c.transportFault(ctx, err)
	}
	e.whole = int64(len(e.Body)) < c.limit
	drain(resp.Body)
	return e, nil
}

// Fault is what Do would have made of the answer: an error where its status is not
// one of 200 to 299, or where it was cut at the client's limit; else nil.
func (c *Client) Fault(e Exchange) error {
	redact := redactorOf(e.request)
	switch {
	case e.Status < 200 || e.Status > 299:
		resp := &http.Response{StatusCode: e.Status, Header: e.Header, Body: io.NopCloser(bytes.NewReader(e.Body))}
		return explain(c.answerFault(resp, redact), e.request, redact)
	case !e.whole:
		return explain(c.tooLarge(), e.request, redact)
	default:
		return nil
	}
}

// unprocessed tells whether an HTTP/2 server has said that it did not look at the
// request, as one does that is about to restart. net/http exports neither error.
func unprocessed(err error) bool {
	text := err.Error()
	return strings.Contains(text, "graceful shutdown GOAWAY") || strings.Contains(text, "REFUSED_STREAM")
}

// excerptRead is how much of an answer is looked at for an excerpt.
const excerptRead = 16 << 10

// Excerpt is the beginning of the answer as one line of printable text of at most
// n bytes. It holds nothing that the request declares secret, and nothing that
// looks like a credential.
func (e Exchange) Excerpt(n int) string {
	redact := redactorOf(e.request)
	text := string(e.Body[:min(len(e.Body), excerptRead)])
	if !e.whole || len(text) < len(e.Body) {
		text = redact.withoutPart(text)
	}
	text = redact.clean(text)
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return strings.TrimSpace(text[:n])
}

// RetryAfter is how long the answer asks to wait, in seconds or by a date: 0 if it
// does not, and never more than longest.
func (e Exchange) RetryAfter(longest time.Duration) time.Duration {
	return retryAfter(e.Header.Get("Retry-After"), time.Now(), longest)
}
