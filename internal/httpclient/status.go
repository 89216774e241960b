package httpclient

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
)

// maxRetryAfter bounds what another side may ask for: a wrong date in a header
// must not stop the traffic for days.
const maxRetryAfter = time.Hour

// answerFault classifies an answer by its status and quotes its beginning.
func (c *Client) answerFault(resp *http.Response, redact redactor) error {
	f := statusFault(resp.StatusCode)
	f.Detail = strings.TrimSpace(strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode))
	if f.Temporary() {
		f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now(), maxRetryAfter)
	}
	if f.Code == "redirected" {
		if to := location(resp, redact); to != "" {
			f.Detail += " to " + to
		}
		f.Hint = "redirects are not followed: set " + c.settings.Address + " to the address that answers itself"
	} else if text := snippet(resp.Body, redact); text != "" {
		f.Detail += ": " + text
	}
	if f.Kind == fault.NotFound {
		f.Hint = "check " + c.settings.Address
	}
	if f.RetryAfter > 0 {
		f.Detail += "; it asks to wait " + f.RetryAfter.Round(time.Second).String()
	}
	drain(resp.Body)
	return f
}

// statusFault is what a status outside 200 to 299 means. Where nothing is known
// of a status its class decides, and an unknown 4xx is final.
func statusFault(status int) *fault.Error {
	kind, code := fault.Invalid, "unexpected_status"
	switch status {
	case http.StatusMultipleChoices, http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		kind, code = fault.Unconfigured, "redirected"
	case http.StatusUnauthorized:
		kind, code = fault.Unauthorized, "unauthorized"
	case http.StatusForbidden, http.StatusPaymentRequired, http.StatusUnavailableForLegalReasons:
		kind, code = fault.Forbidden, "forbidden"
	case http.StatusNotFound, http.StatusGone:
		kind, code = fault.NotFound, "not_found"
	case http.StatusProxyAuthRequired:
		kind, code = fault.Unconfigured, "proxy_unauthorized"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		kind, code = fault.Timeout, "timeout"
	case http.StatusConflict, http.StatusLocked:
		kind, code = fault.Conflict, "conflict"
	case http.StatusTeapot: // what Ferryman itself says of a cron that is switched off
		kind, code = fault.Inactive, "inactive"
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		kind, code = fault.TooLarge, "request_too_large"
	case http.StatusTooEarly, http.StatusTooManyRequests:
		kind, code = fault.RateLimited, "rate_limited"
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		kind, code = fault.Invalid, "upstream_error"
	default:
		switch status / 100 {
		case 4:
			kind, code = fault.Invalid, "rejected"
		case 5:
			kind, code = fault.Unavailable, "upstream_error"
		}
	}
	return &fault.Error{Kind: kind, Code: code}
}

// retryAfter reads a Retry-After header, seconds or an HTTP date; 0 if it has
// passed or cannot be read, and never more than longest.
func retryAfter(header string, now time.Time, longest time.Duration) time.Duration {
	header = strings.TrimSpace(header)
	seconds, err := strconv.ParseInt(header, 10, 64)
	switch {
	case err == nil:
		seconds = min(seconds, int64(longest/time.Second))
		return max(0, time.Duration(seconds)*time.Second)
	case errors.Is(err, strconv.ErrRange) && header[0] != '-':
		return longest
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(0, at.Sub(now)), longest)
	}
	return 0
}

// location is where a redirect leads, without what may be secret; "" if it does
// not say so.
func location(resp *http.Response, redact redactor) string {
	to, err := resp.Location()
	if err != nil {
		return ""
	}
	return redact.quote(address(to))
}

// byteCount spells a bound so that it can be compared with a setting.
func byteCount(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return strconv.FormatInt(n>>20, 10) + " MiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
