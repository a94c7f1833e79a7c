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

// token redeems codes and refresh tokens (RFC 6749 §4.1.3, §6), and exchanges
// ID tokens.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	client, known := authenticated(r)
	exchange := r.PostFormValue("grant_type") == TokenExchange
	if !known || client != ClientID && !exchange {
		w.Header().Set("WWW-Authenticate", `Basic realm="drawbridge-demo"`)
		tokenError(w, http.StatusUnauthorized, "invalid_client", "client ID or secret is wrong")
		return
	}
	switch grant := r.PostFormValue("grant_type"); {
	case exchange:
		p.exchange(w, client, r.PostForm)
	case grant == "authorization_code":
		p.redeem(w, r.PostForm)
	case grant == "refresh_token":
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
	g := p.owner(form.Get("code"))
	digest := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case g == nil || !same(g.code, form.Get("code")) || !g.redeemed && time.Since(g.begun) >= codeTTL:
		refuse("the code is unknown or expired")
	case g.redeemed:
		g.ended = true
		refuse("the code was used before")
	case g.redirectURI != form.Get("redirect_uri") || g.challenge != base64.RawURLEncoding.EncodeToString(digest[:]):
		refuse("redirect URI or code verifier is wrong")
	case !p.find(g.user).Active:
		refuse("the person is deactivated")
	default:
		g.redeemed = true
		if slices.Contains(strings.Fields(g.scope), "offline_access") {
			g.refresh = g.newToken()
		}
		p.issue(w, g, g.nonce)
	}
}

// refresh rotates: each refresh token works once, and a used one ends the
// grant (RFC 9700 §4.14.2).
func (p *Provider) refresh(w http.ResponseWriter, form url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(why string) { tokenError(w, http.StatusBadRequest, "invalid_grant", why) }
	presented := form.Get("refresh_token")
	g := p.owner(presented)
	switch {
	case g == nil || g.refresh == "":
		refuse("the refresh token is unknown, expired or revoked")
	case !same(g.refresh, presented):
		g.ended = true
		refuse("the refresh token was used before")
	case !p.find(g.user).Active:
		refuse("the person is deactivated")
	default:
		g.refresh = g.newToken()
		p.issue(w, g, "")
	}
}

// revoke ends the grant of a refresh or access token (RFC 7009); for a token
// it doesn't know it answers 200 too.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	if client, known := authenticated(r); !known || client != ClientID {
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

// issue answers with tokens for g. The caller holds mu.
func (p *Provider) issue(w http.ResponseWriter, g *grant, nonce string) {
	now, who := time.Now(), p.find(g.user)
	access, err := p.sign("at+jwt", map[string]any{
		"iss": p.issuer, "sub": who.User, "aud": cmp.Or(g.audience, Audience), "client_id": ClientID, "scope": g.scope,
		"iat": now.Unix(), "exp": now.Add(tokenTTL).Unix(), "jti": rand.Text(), "sid": g.id, "groups": who.Groups,
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
func (who *Person) claims() map[string]any {
	return map[string]any{
		"sub": who.User, "name": who.Name, "preferred_username": who.Email,
		"email": who.Email, "email_verified": who.Verified, "groups": append([]string{}, who.Groups...),
	}
}

// authenticated checks the client's secret, in the header or in the form
// (RFC 6749 §2.3.1), and returns its id.
func authenticated(r *http.Request) (client string, known bool) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	return id, id != "" && same(secret, ClientSecret)
}

func tokenError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value) // an error means that the client has gone
}

// grant is one sign-in: what its code, and then its tokens, belong to. Each of
// them begins with its ID.
type grant struct {
	request
	id, user string
	code     string
	redeemed bool
	refresh  string // the one refresh token that works; "" before the code is redeemed, or if none was asked for
	begun    time.Time
	ended    bool
}

// begin keeps a new grant, and forgets the oldest if there are too many. The
// caller holds mu.
func (p *Provider) begin(req request, user string) *grant {
	g := &grant{request: req, id: rand.Text(), user: user, begun: time.Now()}
	g.code = g.newToken()
	p.grants[g.id] = g
	p.order = append(p.order, g.id)
	for len(p.order) > maxGrants {
		delete(p.grants, p.order[0])
		p.order = p.order[1:]
	}
	return g
}

func (g *grant) newToken() string { return g.id + "." + rand.Text() }

// owner returns the living grant to which a code or a refresh token belongs, be
// it one that was used before; nil if there is none. The caller holds mu.
func (p *Provider) owner(token string) *grant {
	id, _, _ := strings.Cut(token, ".")
	if g := p.grants[id]; g != nil && !g.ended && time.Since(g.begun) < grantTTL {
		return g
	}
	return nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
