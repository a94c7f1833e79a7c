package demo

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	idJAG   = "urn:ietf:params:oauth:token-type:id-jag"
	idToken = "urn:ietf:params:oauth:token-type:id_token"

	// TokenExchange is the grant type of RFC 8693 §2.1.
	TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	// assertionTTL is the longest that peers accept.
	assertionTTL = 5 * time.Minute
)

// exchange answers an ID token of this provider with an assertion of who the
// person is, for another authorization server (RFC 8693; ID-JAG is
// draft-ietf-oauth-identity-assertion-authz-grant §4.3). Any client may ask,
// under the id by which that server knows it: a real provider has a list of
// such clients, and of who is assigned to each.
func (p *Provider) exchange(w http.ResponseWriter, client string, form url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.subject(form.Get("subject_token"))
	switch audience, err := url.Parse(form.Get("audience")); {
	case form.Get("requested_token_type") != idJAG || form.Get("subject_token_type") != idToken:
		tokenError(w, http.StatusBadRequest, "invalid_request", "only an id_token is exchanged, and for an id-jag")
		return
	case err != nil || audience.Host == "":
		tokenError(w, http.StatusBadRequest, "invalid_target", "audience is no issuer's URL")
		return
	case who == nil || !who.Active:
		tokenError(w, http.StatusBadRequest, "invalid_grant", "the ID token is not ours, has expired, or is of a person who is deactivated")
		return
	}
	now := time.Now()
	claims := who.claims()
	claims["iss"], claims["aud"], claims["client_id"], claims["jti"] = p.issuer, form.Get("audience"), client, rand.Text()
	claims["iat"], claims["exp"] = now.Unix(), now.Add(assertionTTL).Unix()
	answer := map[string]any{"issued_token_type": idJAG, "token_type": "N_A", "expires_in": int(assertionTTL / time.Second)}
	for _, name := range []string{"resource", "scope"} {
		if value := strings.Join(form[name], " "); value != "" {
			claims[name] = value
		}
	}
	if form.Get("scope") != "" {
		answer["scope"] = form.Get("scope")
	}
	var err error
	if answer["access_token"], err = p.sign("oauth-id-jag+jwt", claims); err != nil {
		tokenError(w, http.StatusInternalServerError, "server_error", "")
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// subject is the person of one of our ID tokens, or nil. The caller holds mu.
func (p *Provider) subject(token string) *Person {
	var claims jwt.Claims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || parsed.Claims(p.key.Public(), &claims) != nil || parsed.Headers[0].ExtraHeaders[jose.HeaderType] != "JWT" ||
		claims.ValidateWithLeeway(jwt.Expected{Issuer: p.issuer, AnyAudience: jwt.Audience{ClientID}, Time: time.Now()}, 0) != nil {
		return nil
	}
	return p.find(claims.Subject)
}
