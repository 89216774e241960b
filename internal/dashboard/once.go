package dashboard

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"

	"ferryman/internal/fault"
)

const (
	// spentCookie tells which forms a browser has spent, to whichever node it sends
	// one again: so it does when its user loads the answer anew.
	spentCookie = "ferryman_spent"
	spentKept   = 8    // forms in the cookie, the last ones
	spentMost   = 1000 // that a node remembers, for who presses a button twice
)

// Once is a new token of a form that is taken but once.
func (frame) Once() string { return rand.Text() }

// once has a form do what it does but once, where the answer shows what is shown but
// once: sent again, it is refused with what is given. One that was refused may be
// sent again.
func (d *Dashboard) once(again *fault.Error, do func(*request) (done, error)) func(*request) (done, error) {
	return func(r *request) (done, error) {
		token := r.form.Get("once")
		if token == "" { // no form of the pages
			return do(r)
		}
		form := d.sealed("once " + token)
		before := spentBefore(r.Request)
		if slices.Contains(before, form) || !d.spent.take(form) {
			return done{}, again
		}
		did, err := do(r)
		if err != nil {
			d.spent.giveBack(form)
			return did, err
		}
		before = append(before, form)
		value := strings.Join(before[max(len(before)-spentKept, 0):], ".")
		did.cookies = append(did.cookies, cookie(r.Request, spentCookie, value, sessionFor))
		return did, nil
	}
}

// spentBefore gives the forms that a browser says it has spent.
func spentBefore(r *http.Request) []string {
	c, err := r.Cookie(spentCookie)
	if err != nil || len(c.Value) > maxCookie {
		return nil
	}
	return strings.Split(c.Value, ".")
}

// spent is the last forms that were taken. The zero value has none. It is safe for
// concurrent use.
type spent struct {
	mu    sync.Mutex
	forms []string // the oldest first
}

// take tells whether a form is taken for the first time.
func (s *spent) take(form string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.forms, form) {
		return false
	}
	if len(s.forms) >= spentMost {
		s.forms = slices.Delete(s.forms, 0, 1)
	}
	s.forms = append(s.forms, form)
	return true
}

// giveBack forgets a form that did nothing.
func (s *spent) giveBack(form string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.forms, form); i >= 0 {
		s.forms = slices.Delete(s.forms, i, i+1)
	}
}
