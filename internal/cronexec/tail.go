package cronexec

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// tailBytes is as much as the server keeps of a message.
const tailBytes = 64 << 10

// tail keeps the last tailBytes that are written to it. The zero value is ready.
type tail struct {
	mu   sync.Mutex
	ring []byte
	next int // where the oldest byte stands once the ring is full
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	p = p[max(0, n-tailBytes):]
	grow := min(tailBytes-len(t.ring), len(p))
	t.ring = append(t.ring, p[:grow]...)
	for p = p[grow:]; len(p) > 0; {
		c := copy(t.ring[t.next:], p)
		p = p[c:]
		t.next = (t.next + c) % tailBytes
	}
	return n, nil
}

// text is what was kept as UTF-8 of at most tailBytes; what is none reads U+FFFD.
// Blank output is none.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	whole := string(t.ring[t.next:]) + string(t.ring[:t.next])
	if len(whole) == tailBytes {
		whole = fromRune(whole)
	}
	whole = strings.ToValidUTF8(whole, "\uFFFD")
	if len(whole) > tailBytes {
		whole = fromRune(whole[len(whole)-tailBytes:])
	}
	if strings.TrimSpace(whole) == "" {
		return ""
	}
	return whole
}

// fromRune takes off the rest of a rune at the beginning.
func fromRune(s string) string {
	for i := range min(utf8.UTFMax, len(s)) {
		if utf8.RuneStart(s[i]) {
			return s[i:]
		}
	}
	return s
}
