// Package pulpo reads the current user of a Pulpo WMS and that user's warehouses.
//
// A read makes two calls and yields one batch that lands whole: the user, the
// warehouses and the complete list of links between them. Every trouble is a
// *fault.Error with a code of its own: those of httpclient, and not_configured,
// missing_field, wrong_type and user_mismatch. A detail names the request, the
// record and the field, never a value, a token or a password.
//
// With credentials a token is fetched when first needed, renewed before it
// expires and, once, after it was refused. A token that is set by hand is used
// as it is.
package pulpo

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"ferryman/internal/httpclient"
	"ferryman/internal/pipeline"
)

// Config says where the API is and how to authenticate. The checked settings
// fill it. Empty credentials are unset.
type Config struct {
	BaseURL        string        // absolute http or https
	Token          string        // used as it is; wins over User and Password
	User, Password string        // for token requests
	RetryInterval  time.Duration // least time between a failed token request and the next
	Timeout        time.Duration // of one request
	MaxAnswerBytes int64         // of one answer
	Version        string        // of this program, for the User-Agent
	Logger         *slog.Logger
}

// Source is a pipeline.Source. It is safe for concurrent use.
type Source struct {
	base    *url.URL
	client  *httpclient.Client
	auth    auth
	secrets []string

	users, warehouses, links *pipeline.Table
}

// New makes a source. It fails only with a base URL that is none; missing
// credentials are an error of Read, so that a server runs without them.
func New(c Config) (*Source, error) {
	base, err := httpclient.ParseBase("API_BASE_URL", c.BaseURL, "https://wms.example.com/api/v1")
	if err != nil {
		return nil, err
	}
	s := &Source{
		base: base,
		client: httpclient.New(httpclient.Options{
			Timeout:        c.Timeout,
			MaxAnswerBytes: c.MaxAnswerBytes,
			Version:        c.Version,
			Settings: httpclient.Settings{
				Address: "API_BASE_URL", Timeout: "API_TIMEOUT_SECONDS", MaxAnswerBytes: "API_MAX_ANSWER_BYTES",
			},
			Logger: c.Logger,
		}),
		secrets:    []string{c.Token, c.Password},
		users:      Users(),
		warehouses: Warehouses(),
		links:      UsersWarehouses(),
	}
	s.auth = s.authFor(c)
	return s, nil
}

// Run keeps a token at hand until ctx ends, so that a read need not wait for
// one: it is fetched at the start, renewed before it expires and, after a failure
// that may go away by itself, requested again every retry interval. Read works
// without it. It returns nil.
func (s *Source) Run(ctx context.Context) error {
	s.auth.run(ctx)
	return nil
}

// Close calls off a token request that is on its way and closes idle
// connections. Reads and Run have to have ended.
func (s *Source) Close() {
	s.auth.close()
	s.client.Close()
}
