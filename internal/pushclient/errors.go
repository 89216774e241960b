package pushclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"

	"ferryman/internal/fault"
)

// server is the address as an error may show it.
func (c *Client) server() string {
	shown := url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: c.base.Path}
	return shown.String()
}

// transportFault classifies what kept an answer from coming.
func (c *Client) transportFault(ctx context.Context, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the outer text repeats the address with its user information
	}
	f := &fault.Error{
		Kind: fault.Unavailable, Code: "unreachable", Err: err,
		Detail: "the server at " + c.server() + " cannot be reached", Hint: "check that it runs, and FERRYMAN_URL",
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &fault.Error{Kind: fault.Canceled, Detail: "called off", Err: ctx.Err()}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f.Kind, f.Code, f.Detail = fault.Timeout, "timeout", "the server at "+c.server()+" gives no answer in time"
	}
	return f
}

// statusFault says what a status other than 200 to 299 means.
func (c *Client) statusFault(resp *http.Response, answer []byte) error {
	f := &fault.Error{Kind: fault.Invalid, Code: "unexpected_status"}
	said := c.said(answer)
	switch status := resp.StatusCode; {
	case status < 400:
		f.Kind, f.Code = fault.Unconfigured, "redirected"
		f.Hint = "redirects are not followed: set FERRYMAN_URL to the address that answers itself"
	case status == http.StatusBadRequest:
		if refused := readRefused(answer); refused != nil {
			return refused
		}
		f.Code = "refused"
	case status == http.StatusUnauthorized:
		f.Kind, f.Code, f.Hint = fault.Unauthorized, "unauthorized", "set FERRYMAN_API_KEY or FERRYMAN_API_KEY_FILE to a live key"
	case status == http.StatusForbidden:
		f.Kind, f.Code, f.Hint = fault.Forbidden, "forbidden", "make a key that may: see ferryman key create --help"
	case status == http.StatusNotFound && said == "":
		f.Kind, f.Code, f.Hint = fault.NotFound, "not_found", "check that FERRYMAN_URL is the address of a Ferryman server"
	case status == http.StatusNotFound:
		f.Kind, f.Code = fault.NotFound, "not_found"
	case status == http.StatusConflict:
		f.Kind, f.Code = fault.Conflict, "conflict"
	case status == http.StatusRequestEntityTooLarge:
		f.Kind, f.Code, f.Hint = fault.TooLarge, "too_large", "send shorter lists: lower --batch"
	case status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout:
		f.Kind, f.Code = fault.Timeout, "timeout"
	case status == http.StatusTooManyRequests || status == http.StatusTooEarly:
		f.Kind, f.Code = fault.RateLimited, "rate_limited"
	case status >= 500 && status != http.StatusNotImplemented:
		f.Kind, f.Code = fault.Unavailable, "server_error"
	}
	f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	f.Detail = "the server at " + c.server() + " answers " + strings.TrimSpace(strconv.Itoa(resp.StatusCode)+" "+http.StatusText(resp.StatusCode))
	if said != "" {
		f.Detail += ": " + said
	}
	return f
}

// aboutMessage names the message that an error is about, where it is about one.
func aboutMessage(id int64, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok:
		return err
	case f.Kind == fault.NotFound && f.Hint == "":
		return &fault.Error{Kind: fault.NotFound, Code: "no_message", Detail: fmt.Sprintf("there is no message %d", id), Hint: "see ferryman push list"}
	case f.Kind == fault.Conflict:
		return fmt.Errorf("message %d: %w", id, err)
	}
	return err
}

// maxSaid is how much of the server's own words an error repeats.
const maxSaid = 300

// said is what an answer gives as the reason, on one line; "" if it gives none
// that can be told.
func (c *Client) said(answer []byte) string {
	var body struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(answer, &body) != nil || c.key != "" && strings.Contains(body.Detail, c.key) {
		return ""
	}
	text := []rune(strings.Join(strings.FieldsFunc(body.Detail, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " "))
	if len(text) > maxSaid {
		text = append(text[:maxSaid], '…')
	}
	return string(text)
}

func notUnderstood(err error) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "not_understood", Detail: "the server's answer is not understood", Err: err,
		Hint: "check that FERRYMAN_URL is the address of a Ferryman server",
	}
}

// maxRetryAfter bounds what a server may ask to wait.
const maxRetryAfter = 5 * time.Minute

// retryAfter reads a Retry-After header, seconds or an HTTP date; 0 if it has
// passed or cannot be read.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(header), 10, 64); err == nil {
		return time.Duration(max(0, min(seconds, int64(maxRetryAfter/time.Second)))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, min(at.Sub(now), maxRetryAfter))
	}
	return 0
}
