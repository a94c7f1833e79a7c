package keystore

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const hidden = "[secret]"

// Secret is a text that prints as [secret] wherever it is printed. Only
// [Secret.Reveal] gives it away.
type Secret struct {
	// A pointer, because fmt looks into unexported fields of other structs
	// without asking their methods: there it finds an address.
	text *string
	_    [0]func() // no ==, which would compare addresses
}

// NewSecret returns text as a secret.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text. Whoever calls it answers for where it goes.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal compares two secrets in a time that depends on their lengths alone.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns [secret].
func (Secret) String() string { return hidden }

// Format prints [secret] for each verb and flag of fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue is [secret].
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns [secret].
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON returns "[secret]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
