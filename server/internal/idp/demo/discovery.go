package demo

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// discovery serves the metadata of OpenID Connect Discovery 1.0 §3.
func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                            p.issuer,
		"authorization_endpoint":                            p.issuer + "/authorize",
		"token_endpoint":                                    p.issuer + "/token",
		"userinfo_endpoint":                                 p.issuer + "/userinfo",
		"revocation_endpoint":                               p.issuer + "/revoke",
		"jwks_uri":                                          p.issuer + "/jwks",
		"response_types_supported":                          []string{"code"},
		"response_modes_supported":                          []string{"query"},
		"grant_types_supported":                             []string{"authorization_code", "refresh_token", TokenExchange},
		"subject_types_supported":                           []string{"public"},
		"id_token_signing_alg_values_supported":             []string{"RS256"},
		"code_challenge_methods_supported":                  []string{"S256"},
		"scopes_supported":                                  []string{"openid", "profile", "email", "groups", "offline_access"},
		"claims_supported":                                  []string{"sub", "name", "preferred_username", "email", "email_verified", "groups"},
		"token_endpoint_auth_methods_supported":             []string{"client_secret_basic", "client_secret_post"},
		"identity_chaining_requested_token_types_supported": []string{idJAG},
	})
}

// jwks serves the public key (RFC 7517).
func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
}

// userinfo answers who an access token is for (OpenID Connect Core 1.0 §5.3).
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.bearer(token)
	if g == nil || !p.find(g.user).Active {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		tokenError(w, http.StatusUnauthorized, "invalid_token", "")
		return
	}
	writeJSON(w, http.StatusOK, p.find(g.user).claims())
}

// bearer returns the living grant of an access token, or nil. The caller holds mu.
func (p *Provider) bearer(token string) *grant {
	var claims struct {
		Grant string `json:"sid"`
		jwt.Claims
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || parsed.Claims(p.key.Public(), &claims) != nil || claims.ValidateWithLeeway(jwt.Expected{Time: time.Now()}, 0) != nil {
		return nil
	}
	return p.owner(claims.Grant)
}

// sign returns a JWT of claims.
func (p *Provider) sign(typ string, claims map[string]any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: p.key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}
