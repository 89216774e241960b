package apikey

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// The form of a key.
const (
	brand        = "fm_"
	prefixLength = 8
	keyLength    = len(brand) + prefixLength + 32
	// Letters that are mistaken for others, and u, are left out.
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
)

// generate makes a key of 25 random bytes, five bits a character.
func generate() string {
	var random [(keyLength - len(brand)) * 5 / 8]byte
	_, _ = rand.Read(random[:]) // never fails
	return brand + base32.NewEncoding(alphabet).EncodeToString(random[:])
}

// Prefix gives the public part of what is presented as a key, "" if that has not
// the form of one.
func Prefix(presented string) string {
	prefix, _ := prefixOf(presented)
	return prefix
}

// prefixOf gives the public part of a key, and whether it has the form of one.
func prefixOf(key string) (prefix string, ok bool) {
	if len(key) != keyLength || !strings.HasPrefix(key, brand) || !spelled(key[len(brand):]) {
		return "", false
	}
	return key[len(brand):][:prefixLength], true
}

// prefixIn finds the public part in what a person gives for a key: the part
// itself, with or without the brand, or the whole key.
func prefixIn(text string) (prefix string, ok bool) {
	if prefix, ok := prefixOf(text); ok {
		return prefix, true
	}
	prefix = strings.TrimPrefix(text, brand)
	return prefix, len(prefix) == prefixLength && spelled(prefix)
}

func spelled(s string) bool {
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}
