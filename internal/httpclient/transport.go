package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"ferryman/internal/fault"
)

// transportFault classifies an error of sending a request or of reading its
// answer. TLS trouble counts as temporary: an expired certificate is renewed by
// the other side, and work should wait for it rather than be lost.
func (c *Client) transportFault(ctx context.Context, err error) *fault.Error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the outer text repeats the address with its query
	}
	f := &fault.Error{Kind: fault.Unavailable, Err: err}
	switch {
	case ctx.Err() != nil:
		return c.endedFault(ctx)
	case isDNS(err):
		f.Code, f.Detail, f.Hint = "dns", "the host name cannot be resolved", "check the host name in "+c.settings.Address+" and the name server"
	case isTLS(err):
		f.Code, f.Detail, f.Hint = "tls", "no secure connection", "check the certificate of the other side, and whether "+c.settings.Address+" should begin with http or https"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Code, f.Detail, f.Hint = "refused", "the connection was refused", "check that the other side is running, and host and port in "+c.settings.Address
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		f.Code, f.Detail, f.Hint = "unreachable", "there is no way to the host", "check the network and the host in "+c.settings.Address
	case isReset(err):
		f.Code, f.Detail = "reset", "the other side closed the connection without a complete answer"
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.Code, f.Detail = "truncated", "the answer ended before it was complete"
	case isTimeout(err):
		// Only to connect has a time-out of its own.
		f.Kind, f.Code, f.Detail, f.Hint = fault.Timeout, "timeout", "the connection timed out", "check the network and the host in "+c.settings.Address
	default:
		f.Code, f.Detail = "transport", "the exchange failed"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		f.Detail += " at the proxy"
		f.Hint = "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
	}
	return f
}

// endedFault tells which of the ways to end it ended ctx.
func (c *Client) endedFault(ctx context.Context) *fault.Error {
	switch {
	case errors.Is(context.Cause(ctx), errTimeout):
		return &fault.Error{
			Kind: fault.Timeout, Code: "timeout", Detail: "no complete answer within " + c.timeout.String(), Err: ctx.Err(),
			Hint: "if the other side is only slow, raise " + c.settings.Timeout,
		}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &fault.Error{Kind: fault.Timeout, Code: "timeout", Detail: "no complete answer before the caller's deadline", Err: ctx.Err()}
	default:
		return &fault.Error{Kind: fault.Canceled, Code: "canceled", Detail: "called off", Err: ctx.Err()}
	}
}

func isDNS(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	// Alerts are of a type that crypto/tls keeps to itself.
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true
	}
	return errors.Is(err, http.ErrSchemeMismatch) || strings.HasPrefix(err.Error(), "tls: ")
}

func isReset(err error) bool {
	for _, e := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, io.EOF} {
		if errors.Is(err, e) {
			return true
		}
	}
	// net/http exports neither of these.
	text := err.Error()
	return strings.Contains(text, "server closed idle connection") || strings.Contains(text, "stream error: ") ||
		strings.Contains(text, "GOAWAY")
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}
