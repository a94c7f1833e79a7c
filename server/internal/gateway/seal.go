package gateway

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Most clients never initialize again when their transport session is gone, as
// MCP 2025-11-25 ("Session Management", 4) has them do: TypeScript SDK 1 and 2,
// Python SDK 1 and what is built on them fail from then on. A session is gone
// after each restart, though it has no authority of its own that could be lost.
// So its id holds, sealed, what it takes to set the session up again.
//
// It opens for the person and the client that it was made for, at the same
// endpoint, under the same data key; to all others it looks unknown.

const (
	// maxSealed bounds what is sealed, in bytes. The id comes as a header with
	// each request, and servers in between allow 8 KiB for all headers.
	maxSealed = 2 << 10

	maxID = 4 << 10 // how long an id can be that is worth looking at, in bytes
)

type sealer struct {
	aead cipher.AEAD
	path string
}

func newSealer(key []byte, path string) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, key, nil, "drawbridge transport sessions v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealer{aead, path}, err
}

type sealed struct {
	Version      string          `json:"v"`
	Capabilities json.RawMessage `json:"c,omitempty"`
	Info         json.RawMessage `json:"i,omitempty"`
}

func (k *sealer) seal(s *session, caller *oauth.Caller) string {
	return encoding.EncodeToString(k.aead.Seal(nil, nil, fit(sealed{s.version, s.capabilities, s.info}), k.bound(caller)))
}

// open returns a new session as the one of that id was; nil if id is none that
// caller may use.
func (k *sealer) open(id string, caller *oauth.Caller) *session {
	if len(id) > maxID {
		return nil
	}
	raw, err := encoding.DecodeString(id)
	if err != nil || encoding.EncodeToString(raw) != id {
		return nil // the decoder skips line breaks; an id has one spelling
	}
	plain, err := k.aead.Open(nil, nil, raw, k.bound(caller))
	if err != nil {
		return nil
	}
	var state sealed
	if err := json.Unmarshal(plain, &state); err != nil || !slices.Contains(legacyVersions, state.Version) {
		return nil // of another version of Drawbridge
	}
	return &session{id: id, version: state.Version, capabilities: state.Capabilities, info: state.Info}
}

func (k *sealer) bound(caller *oauth.Caller) []byte {
	to := []string{k.path, caller.User.Sub, caller.Client.ID}
	if caller.Through == status.Enterprise { // several providers may vouch for people
		to = append(to, caller.Issuer)
	}
	b, _ := json.Marshal(to) // strings are always JSON
	return b
}

var encoding = base64.RawURLEncoding.Strict()

// fit encodes what is sealed. Of what is too long only that is kept which
// somebody behind the endpoint asks for: the client's name and version, and
// what it can be asked.
func fit(s sealed) []byte {
	b, _ := json.Marshal(s) // its parts are valid JSON
	if len(b) <= maxSealed {
		return b
	}
	s.Info = pick(s.Info, "name", "version")
	if b, _ = json.Marshal(s); len(b) <= maxSealed {
		return b
	}
	s.Capabilities = pick(s.Capabilities, "sampling", "elicitation", "roots", "extensions")
	b, _ = json.Marshal(s)
	return b
}

// pick returns an object with no more than those members of o, and of them only
// short ones.
func pick(o json.RawMessage, names ...string) json.RawMessage {
	picked := json.RawMessage("{}")
	for _, name := range names {
		if v := rpc.Get(o, name); v != nil && len(v) <= maxSealed/(2*len(names)) {
			picked = rpc.Set(picked, name, v)
		}
	}
	return picked
}
