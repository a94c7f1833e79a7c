package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// signingKey derives the P-256 key from the data key, so that it outlives a
// restart without a record of its own.
func signingKey(dataKey []byte) (*ecdsa.PrivateKey, error) {
	for i := range 8 { // a derived number is out of range once in 2^32
		raw, err := hkdf.Key(sha256.New, dataKey, nil, fmt.Sprintf("drawbridge identity key v1 %d", i), 32)
		if err != nil {
			return nil, fmt.Errorf("derive identity key: %w", err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("derive identity key: no number in range")
}

// publicKeys is the public part of key and the set that holds it. The key's id
// is its thumbprint (RFC 7638).
func publicKeys(key *ecdsa.PrivateKey) (jose.JSONWebKey, []byte, error) {
	jwk := jose.JSONWebKey{Key: key.Public(), Use: "sig", Algorithm: string(jose.ES256)}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jwk, nil, fmt.Errorf("name identity key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk}})
	return jwk, set, err
}
