// Package seal keeps what is secret unreadable where it is stored: with
// AES-256-GCM, under a key that is derived from a secret for one purpose.
//
// What is sealed opens only with the same secret, for the same purpose, and as
// the same thing: whoever can write to the store cannot put one thing in
// another's place.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// version is the first byte of what is sealed.
const version = 1

// ErrSealed says that something cannot be opened: it was sealed with another
// secret, for another purpose or as another thing, or it was changed since.
var ErrSealed = errors.New("cannot be opened")

// Sealer seals and opens. It is safe for concurrent use.
type Sealer struct{ aead cipher.AEAD }

// New makes a sealer for a purpose. The secret has to be hard to guess: it is not
// a person's password.
func New(secret []byte, purpose string) (*Sealer, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return &Sealer{aead}, nil
}

// Seal seals plain as the thing that is named. The same plain text sealed again
// looks different.
func (s *Sealer) Seal(plain []byte, name string) []byte {
	return s.aead.Seal([]byte{version}, nil, plain, []byte(name)) //nolint:gosec // the nonce is random, and the AEAD's own
}

// Open gives what was sealed as the thing that is named, or ErrSealed.
func (s *Sealer) Open(sealed []byte, name string) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != version {
		return nil, ErrSealed
	}
	plain, err := s.aead.Open(nil, nil, sealed[1:], []byte(name))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
