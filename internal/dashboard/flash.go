package dashboard

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"ferryman/internal/forwarded"
)

// flash is what the next page says of an action.
type flash struct {
	Text string `json:"t"`
	Bad  bool   `json:"b,omitempty"`
	Undo *undo  `json:"u,omitempty"`
}

const flashCookie = "ferryman_flash"

const (
	maxFlash  = 1500 // bytes of its text
	maxCookie = 3800 // bytes of the cookie that it travels in: browsers drop larger ones
)

func (d *Dashboard) putFlash(w http.ResponseWriter, r *http.Request, f flash) {
	var value string
	for most := maxFlash; most > 10; most /= 2 { // what has to be escaped takes more
		f.Text = cut(f.Text, most)
		text, err := json.Marshal(f)
		if err != nil {
			return // texts and a flag always encode
		}
		value = base64.RawURLEncoding.EncodeToString(text)
		if value += "." + d.sealed("flash "+value); len(value) <= maxCookie {
			break
		}
	}
	http.SetCookie(w, cookie(r, flashCookie, value, 60))
}

// takeFlash gives what an action before left to say, once. It comes back from the
// browser, where pages of a neighbouring host could have put another: it is taken if
// it is ours.
func (d *Dashboard) takeFlash(w http.ResponseWriter, r *http.Request) *flash {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); byItself(r) || mode != "" && mode != "navigate" {
		return nil // a page that the script asks for anew: nobody would see it there
	}
	http.SetCookie(w, cookie(r, flashCookie, "", -1))
	value, seal, _ := strings.Cut(c.Value, ".")
	text, err := base64.RawURLEncoding.DecodeString(value)
	var f flash
	if err != nil || !hmac.Equal([]byte(seal), []byte(d.sealed("flash "+value))) || json.Unmarshal(text, &f) != nil || f.Text == "" {
		return nil
	}
	return &f
}

// cookie makes one for the pages alone. It lives for so many seconds; 0 is until
// the browser is closed, less than 0 removes it.
func cookie(r *http.Request, name, value string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: Root, MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: forwarded.Of(r).Encrypted,
	}
}
