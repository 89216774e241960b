package pulpo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
)

// auth is a way to authenticate.
type auth interface {
	// token gives a token to send.
	token(ctx context.Context) (string, error)
	// replace gives a token to send instead of one that was refused; "" is none.
	replace(ctx context.Context, refused string) (string, error)
	// run keeps a token at hand until ctx ends.
	run(ctx context.Context)
	// close releases what run and token have begun.
	close()
}

// authFor chooses the way that c configures. A token wins over credentials.
func (s *Source) authFor(c Config) auth {
	const either = "set API_TOKEN, or API_USER and API_PASSWORD"
	switch {
	case c.Token != "":
		return manual(c.Token)
	case c.User == "" && c.Password == "":
		return unconfigured("there is no way to authenticate with the warehouse API", either)
	case c.User == "":
		return unconfigured("API_PASSWORD is set and API_USER is not", either)
	case c.Password == "":
		return unconfigured("API_USER is set and API_PASSWORD is not", either)
	default:
		fetch := func(ctx context.Context) (grant, error) { return s.fetch(ctx, c.User, c.Password) }
		return newTokens(fetch, c.RetryInterval, c.Logger)
	}
}

// manual is a token that a person has set. It does not expire as far as we know.
type manual string

func (m manual) token(context.Context) (string, error)           { return string(m), nil }
func (m manual) replace(context.Context, string) (string, error) { return "", nil }
func (m manual) run(ctx context.Context)                         { <-ctx.Done() }
func (m manual) close()                                          {}

// missing says with each request what has to be set.
type missing struct{ err error }

func unconfigured(detail, hint string) missing {
	return missing{&fault.Error{Kind: fault.Unconfigured, Code: "not_configured", Detail: detail, Hint: hint}}
}

func (m missing) token(context.Context) (string, error)           { return "", m.err }
func (m missing) replace(context.Context, string) (string, error) { return "", m.err }
func (m missing) run(ctx context.Context)                         { <-ctx.Done() }
func (m missing) close()                                          {}

// fetch makes one token request.
func (s *Source) fetch(ctx context.Context, user, password string) (grant, error) {
	body, err := json.Marshal(struct {
		GrantType string `json:"grant_type"`
		Username  string `json:"username"`
		Password  string `json:"password"`
		Scope     string `json:"scope"`
	}{"password", user, password, "default"})
	if err != nil {
		return grant{}, err
	}
	var g grant
	err = s.request(ctx, httpclient.Request{
		Method:  http.MethodPost,
		URL:     s.base.JoinPath("auth"),
		Body:    body,
		Secrets: s.secrets,
	}, func(d *jsontext.Decoder) (err error) {
		g, err = decodeGrant(d)
		return err
	})
	return g, refusedCredentials(err)
}

// refusedCredentials says so where a token request was refused for what it said.
func refusedCredentials(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	refused := *f
	switch f.Code {
	case "rejected", "unauthorized":
		refused.Kind, refused.Code = fault.Unauthorized, "unauthorized"
		refused.Hint = "the credentials were refused: check API_USER and API_PASSWORD"
	case "forbidden":
		refused.Hint = "this user may not log in to the API: check API_USER, or have its rights extended"
	default:
		return err
	}
	return &refused
}
