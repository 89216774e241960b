package cronexec

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// lines cuts an output into lines. A line that is too long loses its end.
type lines struct {
	level string
	to    *streamer
	part  []byte // of a line that has not ended
}

// Write never fails.
func (l *lines) Write(p []byte) (int, error) {
	now := millis(time.Now())
	l.to.mu.Lock()
	defer l.to.mu.Unlock()
	n := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		// Some bytes more than will stay let the cut fall between two runes.
		l.part = append(l.part, line[:min(len(line), maxLine+utf8.UTFMax-len(l.part))]...)
		if !ended {
			return n, nil
		}
		l.to.push(l.level, l.part, now)
		l.part, p = l.part[:0], rest
	}
}

func (l *lines) finish() {
	l.to.mu.Lock()
	defer l.to.mu.Unlock()
	l.to.push(l.level, l.part, millis(time.Now()))
}

// millis is as precise as the server tells times.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// clip cuts s to at most n bytes, between two runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
