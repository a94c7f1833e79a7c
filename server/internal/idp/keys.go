package idp

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// keySet is a JWKS (RFC 7517 §5) as far as sign-ins can use it.
type keySet struct {
	keys []jose.JSONWebKey
	left []string // what is left out though it may be meant to verify: a phrase each
}

// maxKeys bounds the work of one set; who rotates daily and keeps all has fewer.
const maxKeys = 1000

// readKeys reads a JWKS key by key: one that is of no known type, lacks a member
// or can't be read must not take the others with it (RFC 7517 §5). Certificates
// are not looked at, since nothing is decided by them; some providers leave
// theirs empty.
func readKeys(body []byte) (keySet, error) {
	var set keySet
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return set, err
	}
	for i, text := range raw.Keys[:min(len(raw.Keys), maxKeys)] {
		key, use, err := readKey(text)
		switch {
		case err != nil:
			name := ""
			if key.KeyID != "" {
				name = " (" + clean(key.KeyID) + ")"
			}
			set.left = append(set.left, fmt.Sprintf("key %d of %d%s %v", i+1, len(raw.Keys), name, err))
		case use:
			set.keys = append(set.keys, key)
		}
	}
	return set, nil
}

// readKey returns one key, and whether it is for signatures. Of a key that can't
// be read it returns the name, if it has one.
func readKey(text json.RawMessage) (key jose.JSONWebKey, signs bool, err error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members == nil {
		return key, false, errors.New("is no object")
	}
	word := func(name string) (s string) {
		_ = json.Unmarshal(members[name], &s)
		return s
	}
	for _, certificate := range []string{"x5c", "x5t", "x5t#S256", "x5u"} {
		delete(members, certificate)
	}
	kty := word("kty")
	switch {
	case word("use") == "enc", kty == "oct": // RFC 7517 §4.2; a shared secret proves nothing here
		return key, false, nil
	case kty == "":
		err = errors.New("has no kty")
	case kty != "RSA" && kty != "EC" && kty != "OKP":
		err = errors.New("is of an unknown kty")
	case members["d"] != nil:
		err = errors.New("is a private key, which everybody can read there: have it replaced")
	case (kty == "EC" || kty == "OKP") && word("crv") == "":
		err = errors.New("has no crv")
	default:
		plain, _ := json.Marshal(members)
		if key.UnmarshalJSON(plain) != nil || !key.Valid() {
			key, err = jose.JSONWebKey{}, errors.New("can't be read")
		} else if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() < 1024 { // crypto/rsa takes no shorter one
			key, err = jose.JSONWebKey{}, errors.New("is too short to be one")
		}
	}
	if err != nil {
		key.KeyID = word("kid")
	}
	return key, err == nil, err
}

// keysTransport gives the key set of the library, which is all or nothing, the
// keys that can be used.
type keysTransport struct{ base http.RoundTripper }

func (t keysTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if set, err := readKeys(body); err == nil {
		body, err = json.Marshal(jose.JSONWebKeySet{Keys: set.keys})
		if err != nil {
			return nil, err
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}
