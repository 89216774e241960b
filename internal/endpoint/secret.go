package endpoint

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"

	"ferryman/internal/fault"
)

// The form of a secret: brand, then base64 of some bytes.
const (
	brand     = "whsec_"
	minSecret = 24
	maxSecret = 64
)

const mask = "********"

// Secret signs deliveries. However it is printed, logged or encoded, it reads as a
// mask, or "" when it is empty. The zero value is empty.
type Secret struct{ key string }

// NewSecret makes a secret of 32 random bytes.
func NewSecret() Secret {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	return Secret{string(key[:])}
}

// ParseSecret reads whsec_ and the base64 of 24 to 64 bytes; blanks around it, and
// the end of a line, do not matter.
func ParseSecret(text string) (Secret, error) {
	wrong := func(detail string) (Secret, error) {
		return Secret{}, &fault.Error{
			Kind: fault.Invalid, Code: "webhook_secret", Detail: detail,
			Hint: fmt.Sprintf("a webhook's secret is %s and the base64 of %d to %d bytes", brand, minSecret, maxSecret),
		}
	}
	body, ok := strings.CutPrefix(strings.TrimSpace(text), brand)
	if !ok {
		return wrong("the secret does not begin with " + brand)
	}
	if strings.ContainsAny(body, "\r\n") { // the decoder passes over them
		return wrong("the secret runs over several lines")
	}
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(body, "="))
	if err != nil {
		return wrong("the secret is not in base64")
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return wrong(fmt.Sprintf("the secret has %d bytes", len(key)))
	}
	return Secret{string(key)}, nil
}

// Empty tells whether there is no secret.
func (s Secret) Empty() bool { return s.key == "" }

// Key is what signs. Never put it into an error or a log.
func (s Secret) Key() []byte { return []byte(s.key) }

// Reveal gives the text that ParseSecret reads, "" if there is no secret. Never
// put it into an error or a log.
func (s Secret) Reveal() string {
	if s.Empty() {
		return ""
	}
	return brand + base64.StdEncoding.EncodeToString(s.Key())
}

// String is the masked form.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return mask
}

// GoString is the masked form.
func (s Secret) GoString() string { return s.String() }

// MarshalText gives the masked form to encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue gives the masked form to log handlers.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
