package dashboard

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// flash is what the next page says of an action.
type flash struct {
	Text string `json:"t"`
	Bad  bool   `json:"b,omitempty"`
	Undo *undo  `json:"u,omitempty"`
}

const flashCookie = "ferryman_flash"

// maxFlash is how long its text may be, in bytes: it travels in a cookie.
const maxFlash = 1500

func putFlash(w http.ResponseWriter, r *http.Request, f flash) {
	f.Text = cut(f.Text, maxFlash)
	text, err := json.Marshal(f)
	if err != nil {
		return // texts and a flag always encode
	}
	http.SetCookie(w, cookie(r, flashCookie, base64.RawURLEncoding.EncodeToString(text), 60))
}

// takeFlash gives what an action before left to say, once. It comes from the
// browser: it is shown as text, and what it undoes goes through the form's checks.
func takeFlash(w http.ResponseWriter, r *http.Request) *flash {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(w, cookie(r, flashCookie, "", -1))
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	var f flash
	if err != nil || json.Unmarshal(text, &f) != nil || f.Text == "" {
		return nil
	}
	if f.Undo != nil && localPath(f.Undo.Path) != f.Undo.Path {
		f.Undo = nil
	}
	return &f
}

// cookie makes one for the pages alone. It lives for so many seconds; 0 is until
// the browser is closed, less than 0 removes it.
func cookie(r *http.Request, name, value string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: Root, MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: encrypted(r),
	}
}

// encrypted tells whether the browser speaks TLS, with us or with a proxy. Whoever
// makes the header up makes their own cookie secure.
func encrypted(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
