package config

import "log/slog"

// Mask stands for a secret that is set.
const Mask = "********"

// Secret is a text that only Reveal gives. However it is printed, logged or
// encoded, it reads Mask, or "" when it is empty. The zero value is empty.
type Secret struct {
	// A pointer, because fmt reads the unexported fields of its operands without
	// asking their methods: of a pointer it prints the address.
	text *string
}

// NewSecret makes a secret of text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal gives the text itself. Never put it into an error or a log.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty tells whether there is no text.
func (s Secret) Empty() bool { return s.text == nil }

// String is the masked form.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return Mask
}

// GoString is the masked form.
func (s Secret) GoString() string { return s.String() }

// MarshalText gives the masked form to encoders, JSON's among them.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue gives the masked form to log handlers.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
