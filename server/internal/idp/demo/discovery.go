package demo

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// discovery serves the metadata of OpenID Connect Discovery 1.0 §3.
func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.issuer,
		"authorization_endpoint":                p.issuer + "/authorize",
		"token_endpoint":                        p.issuer + "/token",
		"userinfo_endpoint":                     p.issuer + "/userinfo",
		"revocation_endpoint":                   p.issuer + "/revoke",
		"jwks_uri":                              p.issuer + "/jwks",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "groups", "offline_access"},
		"claims_supported":                      []string{"sub", "name", "preferred_username", "email", "email_verified", "groups"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	})
}

// jwks serves the public keys (RFC 7517).
func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, k := range p.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.key.PublicKey, KeyID: k.id, Algorithm: "RS256", Use: "sig"})
	}
	writeJSON(w, http.StatusOK, set)
}

// userinfo answers who an access token is for (OpenID Connect Core 1.0 §5.3).
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.bearer(token)
	if g == nil || !p.find(g.user).active {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		tokenError(w, http.StatusUnauthorized, "invalid_token", "")
		return
	}
	writeJSON(w, http.StatusOK, p.find(g.user).claims())
}

// bearer returns the living grant of an access token, or nil. The caller holds mu.
func (p *Provider) bearer(token string) *grant {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil
	}
	for _, k := range p.keys {
		payload, err := jws.Verify(&k.key.PublicKey)
		if err != nil {
			continue
		}
		var claims struct {
			Grant  string `json:"sid"`
			Expiry int64  `json:"exp"`
		}
		if json.Unmarshal(payload, &claims) != nil || !p.now().Before(time.Unix(claims.Expiry, 0)) {
			return nil
		}
		g, ok := p.grants.get(claims.Grant, p.now())
		if !ok || g.ended {
			return nil
		}
		return g
	}
	return nil
}

// sign returns a JWT of claims under the newest key. The caller holds mu.
func (p *Provider) sign(typ string, claims map[string]any) (string, error) {
	k := p.keys[len(p.keys)-1]
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.key, KeyID: k.id}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
