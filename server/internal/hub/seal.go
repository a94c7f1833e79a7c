package hub

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// sealer makes strings that clients carry for us and can't read, change or use
// elsewhere: cursors and requestState (MCP 2026-07-28, "Multi Round-Trip
// Requests": a server must protect it and must verify it).
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (*sealer, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("hub: the key has %d bytes instead of 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead}, nil
}

// seal binds plain to what context names.
func (s *sealer) seal(plain []byte, context ...string) string {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, bind(context)))
}

var errNotOurs = errors.New("not sealed here, or for something else")

func (s *sealer) open(sealed string, context ...string) ([]byte, error) {
	const most = 4096
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(sealed) > most || len(raw) < s.aead.NonceSize() {
		return nil, errNotOurs
	}
	n := s.aead.NonceSize()
	plain, err := s.aead.Open(nil, raw[:n], raw[n:], bind(context))
	if err != nil {
		return nil, errNotOurs
	}
	return plain, nil
}

// bind writes each part with its length, so that no two contexts are alike.
func bind(context []string) []byte {
	var b strings.Builder
	for _, part := range context {
		fmt.Fprintf(&b, "%d:%s", len(part), part)
	}
	return []byte(b.String())
}
