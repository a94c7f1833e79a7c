package demo

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is one sign-in: what its refresh tokens belong to.
type grant struct {
	id, user, scope, audience string
	refresh                   string // the one refresh token that works; "" if none was asked for
	ended                     bool
}

// token redeems codes and refresh tokens (RFC 6749 §4.1.3, §6).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if !authenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="drawbridge-demo"`)
		tokenError(w, http.StatusUnauthorized, "invalid_client", "client ID or secret is wrong")
		return
	}
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		p.redeem(w, r.PostForm)
	case "refresh_token":
		p.refresh(w, r.PostForm)
	default:
		tokenError(w, http.StatusBadRequest, "unsupported_grant_type", "")
	}
}

// redeem exchanges a code, once. A second use ends what came of the first.
func (p *Provider) redeem(w http.ResponseWriter, form url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(why string) { tokenError(w, http.StatusBadRequest, "invalid_grant", why) }
	c, ok := p.codes.get(form.Get("code"), p.now())
	digest := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case !ok:
		refuse("the code is unknown or expired")
	case c.grant != "":
		if g, ok := p.grants.get(c.grant, p.now()); ok {
			g.ended = true
		}
		refuse("the code was used before")
	case c.redirectURI != form.Get("redirect_uri") || c.challenge != base64.RawURLEncoding.EncodeToString(digest[:]):
		refuse("redirect URI or code verifier is wrong")
	case !p.find(c.user).active:
		refuse("the person is deactivated")
	default:
		g := &grant{id: rand.Text(), user: c.user, scope: c.scope, audience: cmp.Or(c.audience, Audience)}
		if slices.Contains(strings.Fields(c.scope), "offline_access") {
			g.refresh = g.id + "." + rand.Text()
		}
		c.grant = g.id
		p.grants.put(g.id, g, p.now().Add(grantTTL))
		p.issue(w, g, p.find(c.user), c.nonce)
	}
}

// refresh rotates: each refresh token works once, and a used one ends the
// grant (RFC 9700 §4.14.2).
func (p *Provider) refresh(w http.ResponseWriter, form url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	presented := form.Get("refresh_token")
	g := p.owner(presented)
	switch {
	case g == nil || g.ended || g.refresh == "":
		tokenError(w, http.StatusBadRequest, "invalid_grant", "the refresh token is unknown, expired or revoked")
	case subtle.ConstantTimeCompare([]byte(g.refresh), []byte(presented)) == 0:
		g.ended = true
		tokenError(w, http.StatusBadRequest, "invalid_grant", "the refresh token was used before")
	case !p.find(g.user).active:
		tokenError(w, http.StatusBadRequest, "invalid_grant", "the person is deactivated")
	default:
		g.refresh = g.id + "." + rand.Text()
		p.issue(w, g, p.find(g.user), "")
	}
}

// revoke ends the grant of a refresh or access token (RFC 7009); for a token
// it doesn't know it answers 200 too.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	if !authenticated(r) {
		tokenError(w, http.StatusUnauthorized, "invalid_client", "client ID or secret is wrong")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	token := r.PostFormValue("token")
	g := p.owner(token)
	if g == nil {
		g = p.bearer(token)
	}
	if g != nil {
		g.ended = true
	}
	w.WriteHeader(http.StatusOK)
}

// owner returns the grant that a refresh token names, or nil. The caller holds mu.
func (p *Provider) owner(refreshToken string) *grant {
	id, _, _ := strings.Cut(refreshToken, ".")
	g, _ := p.grants.get(id, p.now())
	return g
}

// issue answers with tokens for g. The caller holds mu.
func (p *Provider) issue(w http.ResponseWriter, g *grant, who *person, nonce string) {
	now := p.now()
	access, err := p.sign("at+jwt", map[string]any{
		"iss": p.issuer, "sub": who.user, "aud": g.audience, "client_id": ClientID, "scope": g.scope,
		"iat": now.Unix(), "exp": now.Add(tokenTTL).Unix(), "jti": rand.Text(), "sid": g.id, "groups": who.groups,
	})
	if err != nil {
		tokenError(w, http.StatusInternalServerError, "server_error", "")
		return
	}
	half := sha256.Sum256([]byte(access))
	claims := who.claims()
	claims["iss"], claims["aud"] = p.issuer, ClientID
	claims["iat"], claims["exp"] = now.Unix(), now.Add(tokenTTL).Unix()
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(half[:16])
	if nonce != "" {
		claims["nonce"] = nonce
	}
	id, err := p.sign("JWT", claims)
	if err != nil {
		tokenError(w, http.StatusInternalServerError, "server_error", "")
		return
	}
	answer := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(tokenTTL / time.Second),
		"scope": g.scope, "id_token": id,
	}
	if g.refresh != "" {
		answer["refresh_token"] = g.refresh
	}
	writeJSON(w, http.StatusOK, answer)
}

// claims are what ID token and userinfo say of a person.
func (who *person) claims() map[string]any {
	groups := who.groups
	if groups == nil {
		groups = []string{}
	}
	return map[string]any{
		"sub": who.user, "name": who.name, "preferred_username": who.email,
		"email": who.email, "email_verified": who.verified, "groups": groups,
	}
}

// authenticated checks the client's secret, in the header or in the form
// (RFC 6749 §2.3.1).
func authenticated(r *http.Request) bool {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	return id == ClientID && subtle.ConstantTimeCompare([]byte(secret), []byte(ClientSecret)) == 1
}

func tokenError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value) // an error means that the client has gone
}
