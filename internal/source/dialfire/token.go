package dialfire

import (
	"strings"
	"sync"
)

// token is the campaign's token, which may be renewed while the program runs.
type token struct {
	read func() (string, error)

	mu       sync.Mutex
	value    string
	accepted bool // by the API, since the program began
}

// current is the token to send. The first call reads it.
func (t *token) current() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value != "" {
		return t.value, nil
	}
	return t.value, t.readLocked()
}

func (t *token) readLocked() error {
	value, err := t.read()
	if err != nil {
		return err
	}
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return unconfigured("there is no token", "set the campaign's token, or the file that holds it")
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return unconfigured("the token holds characters that no header can carry", "set the campaign's token as it was issued")
	}
	t.value = value
	return nil
}

// accept notes that the API has taken a token.
func (t *token) accept() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted = true
}

// renew reads the token again after one was refused. It tells whether there is
// another one to try now, and whether it is worth trying the same one later: one
// that was never accepted is most likely wrong.
func (t *token) renew(refused string) (another, later bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == refused {
		// What cannot be read now may be there at the next try: the old one stays.
		_ = t.readLocked()
	}
	return t.value != refused, t.accepted
}
