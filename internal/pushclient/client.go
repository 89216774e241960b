// Package pushclient is a client of the message API: single calls, and files of
// any length.
//
// A call is made once, but Store and Send try again what fails in passing.
// Errors are *fault.Error, with the words of the server where it has any, and
// never hold the key. What the server has against messages is a *RefusedError.
//
// A file is sent in lists, several at a time, with memory that does not grow with
// the file. Whether a message was stored before is the server's to know, so that
// sending a file again only stores what is missing: nothing has to be kept on the
// client's side.
package pushclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ferryman/internal/fault"
)

// Options are what a Client goes by.
type Options struct {
	URL     string        // of the server, which the messages/ of the API are added to
	Key     string        // "" sends none, which an open server does not ask for
	Version string        // of the User-Agent ferryman/<version>
	Timeout time.Duration // of a call, its answer included; 60 s if 0
	TLS     *tls.Config   // how the server is known; nil: by the authorities of the system
}

// Client calls one server. It is safe for concurrent use. Close it.
type Client struct {
	http    *http.Client
	base    *url.URL
	key     string
	agent   string
	timeout time.Duration
}

const (
	defaultTimeout = 60 * time.Second
	connectTimeout = 10 * time.Second
	maxAnswer      = 64 << 20 // a thousand messages of the longest texts
)

// New makes a client. An address that is none is a fault of kind Unconfigured.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, &fault.Error{Kind: fault.Unconfigured, Detail: "the server's address is missing or wrong", Hint: "set FERRYMAN_URL"}
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &Client{
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
				TLSClientConfig: o.TLS, TLSHandshakeTimeout: connectTimeout, MaxIdleConnsPerHost: MaxParallel, IdleConnTimeout: 30 * time.Second,
			},
			// A redirect would turn a POST into a GET, and could take the key elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		base: base, key: o.Key, agent: "ferryman/" + o.Version, timeout: o.Timeout,
	}, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request of the API.
type call struct {
	method string
	path   string // below messages/
	query  url.Values
	header http.Header
	body   []byte // JSON; nil sends none
}

// do makes a call and gives the answer, whose status is 200 to 299, and its header.
func (c *Client) do(ctx context.Context, o call) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := *c.base
	u.RawPath = ""
	u.Path = strings.TrimRight(u.Path, "/") + "/messages/" + o.path
	u.RawQuery = o.query.Encode()
	req, err := http.NewRequestWithContext(ctx, o.method, u.String(), bytes.NewReader(o.body))
	if err != nil {
		return nil, nil, c.transportFault(ctx, err)
	}
	if o.header != nil {
		req.Header = o.header
	}
	if o.body != nil {
		req.GetBody = nil // so that net/http does not send it a second time by itself, uncounted
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	if c.key != "" {
		req.Header.Set("X-Api-Key", c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, c.transportFault(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, c.transportFault(ctx, err)
	case len(answer) > maxAnswer:
		return nil, nil, notUnderstood(errors.New("it is over 64 MiB long"))
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return nil, nil, c.statusFault(resp, answer)
	}
	return answer, resp.Header, nil
}
