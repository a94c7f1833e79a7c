// Package identity tells mounted servers who calls them: short-lived JSON Web
// Tokens under a key of Drawbridge's own, whose public part anybody may fetch.
//
// Its tokens open nothing of Drawbridge, and it never sends one anywhere; a
// server that gets one sees it stand for a minute and for that server alone.
// Start at [New].
package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	// tokenTTL is long enough for a call to begin, and too short for a token
	// that leaked to be of use.
	tokenTTL = time.Minute
	// leeway is how far the clock of a server may be behind.
	leeway = 5 * time.Second
	// maxCached bounds the tokens that are kept, some 10 MB.
	maxCached = 10_000
)

// Signer makes the tokens. It is safe for concurrent use.
type Signer struct {
	issuer string
	jwks   []byte
	signer jose.Signer
	now    func() time.Time

	mu     sync.Mutex // guards all below
	tokens map[use]token
	swept  time.Time
}

// use is what a token is for.
type use struct{ session, audience string }

type token struct {
	caller *oauth.Caller // what it says of them
	text   string
	fresh  time.Time // until when it is handed out
}

// New returns a signer for the issuer whose data key is given; now is time.Now
// outside of tests.
func New(dataKey []byte, issuer string, now func() time.Time) (*Signer, error) {
	key, err := signingKey(dataKey)
	if err != nil {
		return nil, err
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		return nil, fmt.Errorf("write the set of keys: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("make the signer of identities: %w", err)
	}
	return &Signer{issuer: issuer, jwks: jwks, signer: signer, now: now, tokens: map[use]token{}}, nil
}

// JWKS is the JWK set of /.well-known/jwks.json (RFC 7517).
func (s *Signer) JWKS() []byte { return s.jwks }

// claims are those of RFC 7519 §4.1 and, named as there, of RFC 9068 §2.2 and
// OpenID Connect Core §5.1.
type claims struct {
	jwt.Claims
	Email         string   `json:"email,omitempty"`
	EmailVerified bool     `json:"email_verified,omitempty"`
	Name          string   `json:"name,omitempty"`
	Groups        []string `json:"groups,omitempty"`
	ClientID      string   `json:"client_id,omitempty"`
	SessionID     string   `json:"sid,omitempty"`
	Machine       bool     `json:"machine,omitempty"` // the client acts for itself: there is no person
}

// Token returns a token that names caller to the server at audience, its URL.
// It is good for a minute; the same is returned for half of that.
func (s *Signer) Token(caller *oauth.Caller, audience string) (string, error) {
	if caller == nil || caller.Session == "" || caller.User.Sub == "" || audience == "" {
		return "", errors.New("sign an identity: there is no caller, or no server to name them to")
	}
	now, key := s.now(), use{caller.Session, audience}
	s.mu.Lock()
	have, ok := s.tokens[key]
	s.mu.Unlock()
	if ok && same(have.caller, caller) && now.Before(have.fresh) {
		return have.text, nil
	}
	text, err := jwt.Signed(s.signer).Claims(claims{
		Claims: jwt.Claims{Issuer: s.issuer, Subject: caller.User.Sub, Audience: jwt.Audience{audience}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now.Add(-leeway)), Expiry: jwt.NewNumericDate(now.Add(tokenTTL))},
		Email: caller.User.Email, EmailVerified: caller.EmailVerified, Name: caller.User.Name, Groups: caller.Groups,
		ClientID: caller.Client.ID, SessionID: caller.Session, Machine: caller.Through == status.Machine,
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign an identity: %w", err)
	}
	s.keep(key, token{caller, text, now.Add(tokenTTL / 2)}, now)
	return text, nil
}

// same reports whether a token says the same of both. Each request has a caller
// of its own, so that pointers tell nothing.
func same(a, b *oauth.Caller) bool {
	return a.User == b.User && a.EmailVerified == b.EmailVerified && a.Client.ID == b.Client.ID && slices.Equal(a.Groups, b.Groups)
}

// keep remembers a token. All are forgotten each minute, so that sessions which
// are over leave nothing behind, and before there are too many: signing again
// costs less than a better choice.
func (s *Signer) keep(key use, t token, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tokens) >= maxCached || now.Sub(s.swept).Abs() >= tokenTTL {
		s.swept = now
		clear(s.tokens)
	}
	s.tokens[key] = t
}

// signingKey derives the P-256 key from the data key, so that it outlives a
// restart without a record of its own. Its id is its thumbprint (RFC 7638).
func signingKey(dataKey []byte) (jose.JSONWebKey, error) {
	for i := range 8 { // a derived number is out of range once in 2^32
		raw, err := hkdf.Key(sha256.New, dataKey, nil, fmt.Sprintf("drawbridge identity key v1 %d", i), 32)
		if err != nil {
			return jose.JSONWebKey{}, fmt.Errorf("derive identity key: %w", err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err == nil {
			jwk := jose.JSONWebKey{Key: key, Use: "sig", Algorithm: string(jose.ES256)}
			sum, err := jwk.Thumbprint(crypto.SHA256)
			jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
			return jwk, err
		}
	}
	return jose.JSONWebKey{}, errors.New("derive identity key: no number in range")
}
