package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

func randomKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program first
	return key
}

// signingKey derives the P-256 key that signs identity towards mounted servers
// from the data key, so that it outlives a restart without a record of its own.
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
	return nil, fmt.Errorf("derive identity key: no number in range")
}

// publicKeys is the JWK set of /.well-known/jwks.json (RFC 7517). The key's id
// is its thumbprint (RFC 7638).
func publicKeys(dataKey []byte) ([]byte, error) {
	key, err := signingKey(dataKey)
	if err != nil {
		return nil, err
	}
	jwk := jose.JSONWebKey{Key: key.Public(), Use: "sig", Algorithm: string(jose.ES256)}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk}})
}
