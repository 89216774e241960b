package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"ferryman/internal/apikey"
	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
	"ferryman/internal/ratelimit"
)

// Wrong keys that one address may present. A right one always passes.
const (
	wrongKeyRate  = 5 // a second
	wrongKeyBurst = 50
)

// Authenticator judges keys.
type Authenticator interface {
	// Authenticate tells who presents a key. It gives a fault of kind Unauthorized
	// for every key that is not good, whatever is wrong with it.
	Authenticate(ctx context.Context, presented string) (apikey.Identity, error)
}

// access is what a route asks of its callers, and whether it takes a body.
type access struct {
	public bool           // nobody needs a key
	scopes []apikey.Scope // a key that includes one of these; if empty, see byOperators
	enough []apikey.Scope // with which an operator may call; if empty, see byOperators
	body   bool           // the route takes one; see body
	bulk   bool           // and that may be as large as maxBulk
}

// byAll lets everybody in.
func byAll() access { return access{public: true} }

// byOperators lets everybody in, unless the server is open to the network for
// holders of keys only, or a proxy passes on what may come from there: then a key of the
// application ferryman, with the scope read to look and admin to change.
func byOperators() access { return access{} }

// byOperatorsWith is byOperators for calls that one of the scopes suffices for.
func byOperatorsWith(scopes ...apikey.Scope) access { return access{enough: scopes} }

// byKey lets in who presents a key that includes one of the scopes. The route
// finds out by caller who that is.
func byKey(scopes ...apikey.Scope) access { return access{scopes: scopes} }

// withBody says that the route takes a body. It is read once the caller is let in.
func (a access) withBody() access {
	a.body = true
	return a
}

// withBulk says that the route takes a body of up to maxBulk.
func (a access) withBulk() access {
	a.body, a.bulk = true, true
	return a
}

// caller is who calls, on a route that asks for a key.
func caller(r *http.Request) apikey.Identity { return exchangeOf(r.Context()).who }

// keyHeader carries the key. It is never taken from the query string, which ends
// up in logs.
const keyHeader = "X-Api-Key"

// challenge is what WWW-Authenticate says.
const challenge = `ApiKey realm="ferryman"`

// errUnauthorized is the one answer to whatever is wrong with a key.
var errUnauthorized = &fault.Error{
	Kind: fault.Unauthorized, Code: "unauthorized", Detail: "the API key is missing or not valid",
	Hint: "send a key that is live in the header X-API-KEY, once; ferryman key create makes one",
}

// admit lets a request pass that its route's access allows.
func (s *Server) admit(r *http.Request, a access) error {
	if a.public || len(a.scopes) == 0 && !s.asksForKeys(r) {
		return nil
	}
	who, err := s.authenticate(r)
	if err != nil {
		return err
	}
	exchangeOf(r.Context()).who = who
	if wait := s.keyRate.Take(who.KeyID, s.o.Now()); wait > 0 {
		return &fault.Error{
			Kind: fault.RateLimited, Code: "key_rate", Detail: "this key makes more calls than it may", RetryAfter: wait,
			Hint: "FERRYMAN_KEY_RATE is how many it may make in a second",
		}
	}
	if len(a.scopes) == 0 {
		return operator(who, r.Method, a.enough)
	}
	if !slices.ContainsFunc(a.scopes, who.Scope.Includes) {
		return scopeError(who, a.scopes...)
	}
	return nil
}

// asksForKeys tells whether a caller needs a key for what is open on loopback.
func (s *Server) asksForKeys(r *http.Request) bool {
	return s.o.KeysOnly || s.o.LoopbackOnly && forwarded.Of(r).Elsewhere()
}

func (s *Server) authenticate(r *http.Request) (apikey.Identity, error) {
	err := error(errUnauthorized)
	var who apikey.Identity
	if given := r.Header[keyHeader]; len(given) == 1 {
		who, err = s.o.Keys.Authenticate(r.Context(), given[0])
	}
	if fault.KindOf(err) != fault.Unauthorized {
		return who, storeTrouble(err)
	}
	if wait := s.wrongKeys.Take(ratelimit.Network(forwarded.Of(r).Address), s.o.Now()); wait > 0 {
		return apikey.Identity{}, &fault.Error{
			Kind: fault.RateLimited, Code: "too_many_wrong_keys", Detail: "too many calls without a valid key came from this address",
			RetryAfter: wait,
		}
	}
	return apikey.Identity{}, errUnauthorized
}

// operator refuses keys that are not for the server as a whole.
func operator(who apikey.Identity, method string, enough []apikey.Scope) error {
	switch {
	case len(enough) > 0:
	case method == http.MethodGet || method == http.MethodHead:
		enough = []apikey.Scope{apikey.Read}
	default:
		enough = []apikey.Scope{apikey.Admin}
	}
	if who.App != apikey.BuiltIn {
		return &fault.Error{
			Kind: fault.Forbidden, Code: "not_an_operator", Detail: "this needs a key of the application " + apikey.BuiltIn,
		}
	}
	if !slices.ContainsFunc(enough, who.Scope.Includes) {
		return scopeError(who, enough...)
	}
	return nil
}

func scopeError(who apikey.Identity, scopes ...apikey.Scope) error {
	var names []string
	for _, scope := range slices.Concat(scopes, []apikey.Scope{apikey.Admin}) {
		if !slices.Contains(names, string(scope)) {
			names = append(names, string(scope))
		}
	}
	return &fault.Error{
		Kind: fault.Forbidden, Code: "scope", Detail: "a key of scope " + string(who.Scope) + " may not do this",
		Hint: "use one of scope " + strings.Join(names, " or "),
	}
}
