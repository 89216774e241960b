// Package httpclient sends requests to other people's HTTP APIs and says in
// fault's terms what went wrong.
//
// A request is sent once: redirects are not followed and nothing is tried
// again, but for a request without a body whose kept-alive connection turns out
// to be dropped. Do and JSON make an error of every answer but the good ones;
// Exchange gives what came, and tells whether the request went out at all. Every
// wait, answer and connection pool has a bound.
//
// An error is a *fault.Error whose code is stable, whose detail names the method
// and the address without user information and query, and which quotes at most a
// short cleaned piece of the answer. What others wrote is quoted only if it holds
// nothing that a request declares secret, and without what looks like a
// credential.
package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// DefaultMaxAnswerBytes is the answer limit of a client that sets none: 16 MiB.
const DefaultMaxAnswerBytes = 16 << 20

// drainBytes is what is read off an answer that nobody wants, so that its
// connection can be used again; beyond it a new connection is cheaper.
const drainBytes = 64 << 10

// Options are a client's bounds. The zero value of each field is its default.
type Options struct {
	Timeout        time.Duration // of a whole request, answer included; default 30 s
	MaxAnswerBytes int64         // of an answer, after decompression; default DefaultMaxAnswerBytes
	Version        string        // of the User-Agent ferryman/<version>; default "dev"
	Settings       Settings      // what hints call them
	Logger         *slog.Logger  // gets one debug line a request; nil for none
	Conns          int           // connections a host, idle and busy; default 8
	Direct         bool          // goes through no proxy
	TLS            *tls.Config   // how the other side is known; nil: by the authorities of the system
	// Trace has requests say which trace they are of, by the header traceparent, where
	// they are of one: for other sides that work together with whoever runs this.
	Trace bool

	// Control sees every address before it is connected to, as net.Dialer.Control
	// does, and refuses it by an error; nil refuses none.
	Control func(network, address string, c syscall.RawConn) error
}

// Settings are the names of the settings that an operator may have to change.
// Each may be "".
type Settings struct {
	Address        string // of the API
	Timeout        string
	MaxAnswerBytes string
}

// These bounds are nobody's setting: to connect takes no longer because an
// answer does.
const connectTimeout = 10 * time.Second // of the connect and of the TLS handshake, each

// Client sends requests to one API. It is safe for concurrent use.
type Client struct {
	http     *http.Client
	timeout  time.Duration
	limit    int64
	agent    string
	settings Settings
	log      *slog.Logger
	trace    bool
}

// New makes a client. Proxies are taken from the environment, as usual in Go,
// unless it is to go directly.
func New(o Options) *Client {
	o = o.withDefaults()
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second, Control: o.Control}
	proxy := http.ProxyFromEnvironment
	if o.Direct {
		proxy = nil
	}
	return &Client{
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:                  proxy,
				DialContext:            dialer.DialContext,
				ForceAttemptHTTP2:      true,
				TLSClientConfig:        o.TLS,
				TLSHandshakeTimeout:    connectTimeout,
				MaxResponseHeaderBytes: 256 << 10,
				MaxConnsPerHost:        o.Conns,
				MaxIdleConnsPerHost:    o.Conns,
				MaxIdleConns:           o.Conns,
				// Shorter than the usual keep-alive of servers: a connection is
				// rarely found dropped just when a request goes out on it.
				IdleConnTimeout: 30 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout:  o.Timeout,
		limit:    o.MaxAnswerBytes,
		agent:    "ferryman/" + o.Version,
		settings: o.Settings,
		log:      o.Logger,
		trace:    o.Trace,
	}
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxAnswerBytes <= 0 {
		o.MaxAnswerBytes = DefaultMaxAnswerBytes
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Conns <= 0 {
		o.Conns = 8
	}
	if o.Settings.Address == "" {
		o.Settings.Address = "the address"
	}
	if o.Settings.Timeout == "" {
		o.Settings.Timeout = "the time-out"
	}
	if o.Settings.MaxAnswerBytes == "" {
		o.Settings.MaxAnswerBytes = "the limit"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one call of an API.
type Request struct {
	Method  string
	URL     *url.URL    // errors and the log show it but for user information and query
	Shown   *url.URL    // shown in place of URL, for one whose path is secret; nil shows URL
	Header  http.Header // sent besides; what is secret in it belongs into Secrets too
	Bearer  string      // sent as Authorization: Bearer, and secret; "" sends none
	Body    []byte      // JSON, unless Header has another Content-Type; nil sends none
	Secrets []string    // further values that no error may show, such as a password in Body

	accept string // the media type that is wanted; "" is any
}

// Answer is what came back with a status of 200 to 299. It is valid until the
// function that it was handed to returns.
type Answer struct {
	Status int
	Header http.Header
	Body   io.Reader // its errors are classified; more than the client's limit is one

	redact redactor
}

// Do sends r and hands the answer to read, which may be nil if only the status
// matters. Any other status than 200 to 299 is an error. A classified error of
// read is returned with the request named in its detail; what it quotes of the
// answer belongs into its cause, which is cleaned, and not into its detail.
func (c *Client) Do(ctx context.Context, r Request, read func(*Answer) error) error {
	redact := redactorOf(r)
	start := time.Now()
	ctx, s := begin(ctx, r)
	status, err := c.send(ctx, r, redact, read)
	if err != nil {
		err = explain(err, r, redact)
	}
	c.note(ctx, r, status, start)
	end(s, status, err)
	return err
}

func (c *Client) note(ctx context.Context, r Request, status int, start time.Time) {
	if c.log.Enabled(ctx, slog.LevelDebug) {
		c.log.DebugContext(ctx, "http request", "method", r.Method, "url", r.address(),
			"status", status, "duration", time.Since(start))
	}
}

var errTimeout = errors.New("request time-out")

func (c *Client) send(ctx context.Context, r Request, redact redactor, read func(*Answer) error) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	req, err := c.build(ctx, r)
	if err != nil {
		return 0, c.transportFault(ctx, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, c.transportFault(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, c.answerFault(resp, redact)
	}
	body := &body{
		r:        resp.Body,
		left:     c.limit,
		tooLarge: c.tooLarge,
		broken:   func(err error) error { return c.transportFault(ctx, err) },
	}
	if resp.ContentLength > c.limit {
		return resp.StatusCode, body.tooLarge()
	}
	if read != nil {
		err = read(&Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, redact: redact})
	}
	if err == nil {
		drain(resp.Body)
	}
	return resp.StatusCode, err
}

func (c *Client) build(ctx context.Context, r Request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.Header)
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.Body != nil {
		// Without GetBody net/http cannot send the request a second time by itself.
		req.Body = io.NopCloser(bytes.NewReader(r.Body))
		req.ContentLength = int64(len(r.Body))
		if req.Header.Get("Content-Type") == "" {
			req.Header.Set("Content-Type", "application/json")
		}
	}
	if r.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.Bearer)
	}
	req.Header.Set("User-Agent", c.agent)
	if c.trace {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	}
	return req, nil
}

// address is what an error may show of where the request goes.
func (r Request) address() string {
	if r.Shown != nil {
		return address(r.Shown)
	}
	return address(r.URL)
}

// address is what an error may show of a URL.
func address(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return shown.String()
}
