package app

import (
	"cmp"
	"strings"
	"sync"
	"time"
	"unicode"

	"ferryman/internal/outbox"
)

// refusals are the attempts of this process that a web service did not take. The zero
// value is none. It is safe for concurrent use.
type refusals struct {
	mu   sync.Mutex
	n    int64
	last string
}

// observe is told of every attempt, also of those of others that died.
func (r *refusals) observe(_ string, o outbox.Outcome, _, took time.Duration) {
	if o.Verdict == outbox.Accepted || took == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	r.last = reasonOf(o)
}

// sofar is how many there were, and why the last one was.
func (r *refusals) sofar() (n int64, last string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n, r.last
}

// reasonOf says on one line why an attempt came to nothing.
func reasonOf(o outbox.Outcome) string {
	reason := cmp.Or(o.Code, string(o.Verdict))
	if detail := oneLine(o.Detail); detail != "" {
		reason += ": " + detail
	}
	return reason
}

// oneLine is a text of somebody else's as it may be shown: on one line, and not long.
func oneLine(text string) string {
	const most = 160
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
