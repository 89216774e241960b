package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/seal"
)

func sealer(t testing.TB, secret, purpose string) *seal.Sealer {
	t.Helper()
	s, err := seal.New([]byte(secret), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpensOnlyWhatItSealed(t *testing.T) {
	s := sealer(t, "a secret", "a purpose")
	rapid.Check(t, func(r *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(r, "plain")
		name := rapid.String().Draw(r, "name")
		sealed := s.Seal(plain, name)
		if got, err := s.Open(sealed, name); err != nil || !bytes.Equal(got, plain) {
			r.Fatalf("got %q, %v", got, err)
		}
		if bytes.Equal(sealed, s.Seal(plain, name)) {
			r.Fatal("sealed twice, it looks the same")
		}
		if len(plain) > 3 && bytes.Contains(sealed, plain) {
			r.Fatal("it can be read")
		}
		for what, opener := range map[string]*seal.Sealer{
			"secret": sealer(t, "another secret", "a purpose"), "purpose": sealer(t, "a secret", "another purpose"),
		} {
			if _, err := opener.Open(sealed, name); !errors.Is(err, seal.ErrSealed) {
				r.Fatalf("opened with another %s: %v", what, err)
			}
		}
		if _, err := s.Open(sealed, name+"x"); !errors.Is(err, seal.ErrSealed) {
			r.Fatalf("opened as another thing: %v", err)
		}
		at := rapid.IntRange(0, len(sealed)-1).Draw(r, "at")
		changed := bytes.Clone(sealed)
		changed[at] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
		if _, err := s.Open(changed, name); !errors.Is(err, seal.ErrSealed) {
			r.Fatalf("opened though byte %d was changed: %v", at, err)
		}
		if _, err := s.Open(sealed[:at], name); !errors.Is(err, seal.ErrSealed) {
			r.Fatalf("opened the first %d bytes: %v", at, err)
		}
	})
}

// What is stored has to open for ever. This was sealed by other software, with
// the key by HKDF-SHA256 without a salt and the nonce 00 01 … 0b.
func TestForm(t *testing.T) {
	sealed, err := hex.DecodeString("01" + "000102030405060708090a0b" + "e1104c7113" + "6a3512209bd3d7e193394aaf4d98eaaa")
	if err != nil {
		t.Fatal(err)
	}
	s := sealer(t, "a secret", "a purpose")
	if plain, err := s.Open(sealed, "name"); err != nil || string(plain) != "plain" {
		t.Errorf("got %q, %v", plain, err)
	}
	sealed[0] = 2
	if _, err := s.Open(sealed, "name"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("opened another version: %v", err)
	}
}
