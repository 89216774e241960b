package dashboard

import (
	"net/http"

	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
	"ferryman/internal/ratelimit"
)

// Wrong keys that may be tried from one network. A right one always passes: who
// tries keys shall not keep out who has one.
const (
	wrongKeyRate  = 1 // a second
	wrongKeyBurst = 10
)

// sessionFor is how long a browser keeps the cookie of a session, in seconds. The
// store ends the session before that where it was not used.
const sessionFor = 7 * 24 * 60 * 60

func (d *Dashboard) signInPages() []page {
	return []page{{Root + "sign-in", "", everybody, d.showSignIn, []string{"next"}}}
}

func (d *Dashboard) signInActions() []action {
	return []action{
		{Root + "sign-in", "session.begin", everybody, d.begin},
		{Root + "sign-out", "session.end", everybody, d.end},
	}
}

func (d *Dashboard) showSignIn(r *request) (view, error) {
	return view{template: "sign_in", title: "Sign in", data: struct {
		Next     string
		Loopback bool
	}{localPath(r.query.Get("next")), d.o.Loopback}}, nil
}

// begin signs somebody in. Its form comes from a page that everybody may see; that
// it is posted from a page of this server is what httpapi looks after.
func (d *Dashboard) begin(r *request) (done, error) {
	next := r.form.Get("next")
	token, s, err := d.o.Sessions.SignIn(r.Context(), r.form.Get("key"), forwarded.Of(r.Request).Host(), r.UserAgent())
	if fault.KindOf(err) == fault.Unauthorized {
		d.o.Log.Warn("somebody tried to sign in with a wrong key", "remote", forwarded.Of(r.Request).Host())
		if wait := d.wrongKeys.Take(ratelimit.Network(forwarded.Of(r.Request).Address), r.now); wait > 0 {
			return done{}, &fault.Error{
				Kind: fault.RateLimited, Code: "too_many_wrong_keys", Detail: "too many wrong keys came from this address",
				Hint: "wait a moment", RetryAfter: wait,
			}
		}
		return done{}, &fault.Error{
			Kind: fault.Unauthorized, Code: "unauthorized", Detail: "this key is not valid",
			Hint: "it begins with fm_; ferryman key list tells which keys are live",
		}
	}
	if err != nil {
		return done{}, err
	}
	if r.viewer.Session != 0 {
		_ = d.o.Sessions.End(r.Context(), r.viewer.token) // its browser forgets it now; it would end by itself
	}
	r.viewer = signedIn(s, token)
	return done{
		next: localPath(next), target: audit.Session(s.ID),
		cookies: []*http.Cookie{cookie(r.Request, sessionCookie, token, sessionFor)},
	}, nil
}

// end signs somebody out.
func (d *Dashboard) end(r *request) (done, error) {
	if r.viewer.Session == 0 {
		return done{next: Root + "sign-in", refused: true}, nil // nobody's act is on record
	}
	if err := d.o.Sessions.End(r.Context(), r.viewer.token); err != nil {
		return done{}, err
	}
	return done{
		say: "You are signed out.", next: Root + "sign-in", target: audit.Session(r.viewer.Session),
		cookies: []*http.Cookie{cookie(r.Request, sessionCookie, "", -1)},
	}, nil
}
