package sqlsink

import "unicode/utf8"

// charset is how a column of text keeps characters.
type charset uint8

const (
	utf8Text     charset = iota // all there are; what a database that has one for all uses
	utf8mb3Text                 // those up to U+FFFF
	utf16Text                   // all there are
	ucs2Text                    // those up to U+FFFF
	utf32Text                   // all there are
	latin1Text                  // those of Windows-1252
	nationalText                // ASCII, and what is not known here
)

// windows1252 are the characters that Windows-1252 has in place of control codes.
const windows1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"

// measure is how many bytes a text takes, and whether its characters are all there,
// as far as that is known.
func (c charset) measure(s string) (bytes int, holds bool) {
	if c == utf8Text {
		return len(s), true
	}
	holds = true
	for _, r := range s {
		bytes += c.width(r)
		holds = holds && c.has(r)
	}
	return bytes, holds
}

// width is the bytes of a character that the set has.
func (c charset) width(r rune) int {
	switch c {
	case utf16Text:
		if r > 0xffff {
			return 4
		}
		return 2
	case ucs2Text:
		return 2
	case utf32Text:
		return 4
	case latin1Text, nationalText:
		return 1
	default:
		return utf8.RuneLen(r)
	}
}

func (c charset) has(r rune) bool {
	switch c {
	case utf8mb3Text, ucs2Text:
		return r <= 0xffff
	case latin1Text:
		if r < 0x80 || r >= 0xa0 && r <= 0xff {
			return true
		}
		for _, w := range windows1252 {
			if r == w {
				return true
			}
		}
		return false
	case nationalText:
		return r < 0x80
	default:
		return true
	}
}
