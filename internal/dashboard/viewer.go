package dashboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
)

// viewer is who looks at a page.
type viewer struct {
	AppID   int64  // whose crons they see; 0: everybody's
	App     string // its name
	Scope   apikey.Scope
	Prefix  string // of the key that they signed in with
	Open    bool   // nobody had to sign in
	Session int64

	token string // of the session
}

// Admin tells whether they may act.
func (v viewer) Admin() bool { return v.Scope.Includes(apikey.Admin) }

// Operator tells whether they see what belongs to no application.
func (v viewer) Operator() bool { return v.SignedIn() && v.AppID == 0 }

// SignedIn tells whether they may see anything.
func (v viewer) SignedIn() bool { return v.Scope != "" }

// Name is how the record of what was done calls them.
func (v viewer) Name() string {
	if v.Open {
		return audit.Local
	}
	return audit.Key(v.Prefix, v.App)
}

// mayAct refuses what the viewer may not do, and pages that only lead there.
func (v viewer) mayAct() error {
	if v.Admin() {
		return nil
	}
	return &fault.Error{
		Kind: fault.Forbidden, Code: "scope", Detail: "a key of scope " + string(v.Scope) + " may look and not act", Hint: "sign in with an admin key",
	}
}

// sessionCookie holds the token of a session. It goes to the pages only: no other
// call of the server takes it.
const sessionCookie = "ferryman_session"

// use is what a call means for how long a session lasts that nobody uses.
type use int

const (
	inPerson   use = iota // somebody looks or acts
	unattended            // a page that is left open goes on asking
)

// errSignIn says that nobody is signed in.
var errSignIn = &fault.Error{Kind: fault.Unauthorized, Code: "sign_in", Detail: "nobody is signed in", Hint: "sign in with a key"}

// refreshHeader is what the script sends where it asks by itself for what is new on
// the page.
const refreshHeader = "X-Ferryman-Refresh"

// byItself tells whether the script asks, and nobody has done anything.
func byItself(r *http.Request) bool { return r.Header.Get(refreshHeader) != "" }

// identify finds out who asks, and counts that as a use of their session if somebody
// does so. It gives errSignIn.
func (d *Dashboard) identify(r *http.Request, use use) (viewer, error) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		find := d.o.Sessions.Peek
		if use == inPerson && !byItself(r) {
			find = d.o.Sessions.Find
		}
		s, err := find(r.Context(), c.Value)
		if err == nil {
			return signedIn(s, c.Value), nil
		}
		if fault.KindOf(err) != fault.Unauthorized {
			return viewer{}, err
		}
	}
	if !d.o.Loopback || !direct(r) {
		return viewer{}, errSignIn
	}
	some, err := d.o.Keys.AnyViewer(r.Context())
	if err != nil {
		return viewer{}, err
	}
	if some {
		return viewer{}, errSignIn
	}
	return viewer{App: apikey.BuiltIn, Scope: apikey.Admin, Open: true, token: "open"}, nil
}

// direct tells whether a browser of this machine asks, as far as that shows: what a
// proxy passes on may come from anywhere, though it reaches us by loopback.
func direct(r *http.Request) bool {
	return !forwarded.Passed(r) && forwarded.Local(r.Host)
}

func signedIn(s apikey.Session, token string) viewer {
	who := s.Identity
	v := viewer{AppID: who.AppID, App: who.App, Scope: who.Scope, Prefix: who.Prefix, Session: s.ID, token: token}
	if v.App == apikey.BuiltIn {
		v.AppID = 0
	}
	return v
}

// csrf is what our forms hold and those of other sites cannot know.
func (d *Dashboard) csrf(v viewer) string { return d.sealed("form " + v.token) }

// sealed gives, of a text, what only the server can make.
func (d *Dashboard) sealed(text string) string {
	mac := hmac.New(sha256.New, d.forms)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ours tells whether a form is one that the viewer was given.
func (d *Dashboard) ours(v viewer, token string) bool {
	return hmac.Equal([]byte(token), []byte(d.csrf(v)))
}
