package httpclient

import (
	"io"
	"strings"

	"ferryman/internal/fault"
)

// body reads an answer up to a limit and classifies what goes wrong.
type body struct {
	r        io.Reader
	left     int64
	tooLarge func() error
	broken   func(error) error
	err      error
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	// One byte more than is allowed tells an answer of just the limit from a larger one.
	if int64(len(p)) > b.left {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		b.err = b.tooLarge()
		return n, b.err
	}
	b.left -= int64(n)
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		b.err = io.EOF
	default:
		b.err = b.broken(err)
	}
	return n, b.err
}

func (c *Client) tooLarge() error {
	return &fault.Error{
		Kind:   fault.TooLarge,
		Code:   "answer_too_large",
		Detail: "the answer is larger than the limit of " + byteCount(c.limit),
		Hint:   "check that " + c.settings.Address + " is the API's address, or raise " + c.settings.MaxAnswerBytes,
	}
}

// drain reads what little is left of an answer: a connection is used again only
// after its answer was read to the end.
func drain(r io.Reader) {
	_, _ = io.CopyN(io.Discard, r, drainBytes)
}

// How much of an answer is looked at for quoting, and how much is quoted.
const (
	snippetRead  = 4 << 10
	snippetRunes = 300
)

// snippet is the beginning of an answer, fit for an error.
func snippet(r io.Reader, redact redactor) string {
	buf := make([]byte, snippetRead)
	n, _ := io.ReadFull(r, buf)
	text := string(buf[:n])
	if n == len(buf) {
		text = redact.withoutPart(text)
	}
	return redact.quote(text)
}

func shorten(s string) string {
	count := 0
	for i := range s {
		if count == snippetRunes {
			return strings.TrimSpace(s[:i]) + "…"
		}
		count++
	}
	return s
}
