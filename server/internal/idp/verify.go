package idp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

const (
	clockSkew = 5 * time.Minute // how far the provider's clock may be ahead of ours
	// maxAge is how old an ID token may be at sign-in. One fetched with a fresh
	// code was just made.
	maxAge = 24 * time.Hour
)

// How sentences begin that name a token.
const (
	theIDToken     = "The ID token"
	theAccessToken = "The access token"
)

// asymmetric are the signatures that the provider alone can make. "none" and
// the HMACs, whose key would be our client secret or a public key, are not.
var asymmetric = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
	oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// idToken is an ID token that was verified.
type idToken struct {
	issuer, subject string
	claims          claims
}

// verifyIDToken does what OpenID Connect Core 1.0 §3.1.3.7 asks for. At sign-in
// nonce is the one that was sent; at a refresh it is nil (§12.2).
func (c *Client) verifyIDToken(ctx context.Context, m *metadata, raw, accessToken string, nonce *string) (idToken, *oauth.ProviderError) {
	var none idToken
	_, templated := issuerTemplate(c.cfg.Issuer)
	token, fault := c.verifyJWT(ctx, m, raw, c.cfg.ClientID, templated, theIDToken)
	if fault != nil {
		return none, fault
	}
	var cl claims
	if token.Claims(&cl) != nil {
		return none, c.misconfigured(unsound(theIDToken, "can't be read"), nil)
	}
	issuer := m.Issuer
	if templated {
		tenant := cl.text("tid")
		if issuer = strings.Replace(m.Issuer, "{tenantid}", tenant, 1); !tenantID.MatchString(tenant) || token.Issuer != issuer {
			return none, c.misconfigured(unsound(theIDToken, "names another issuer"), nil)
		}
		if !c.admits(tenant) {
			return none, c.refused("{Name} signed somebody in whose organisation may not sign in here. Sign in with an account of another, or let the owner add the tenant in Setup.", fmt.Errorf("tenant %s is not on the list", tenant))
		}
	}
	now := c.cfg.Now()
	azp := cl.text("azp")
	switch {
	case badSubject(token.Subject):
		return none, c.misconfigured(unsound(theIDToken, "names no person"), nil)
	case len(token.Audience) > 1 && azp == "", cl.has("azp") && azp != c.cfg.ClientID:
		return none, c.misconfigured(unsound(theIDToken, "was made for another client"), nil)
	case !cl.has("iat"):
		return none, c.misconfigured(unsound(theIDToken, "does not say when it was made"), nil)
	case token.IssuedAt.After(now.Add(clockSkew)):
		return none, c.misconfigured(unsound(theIDToken, "comes from the future; check this computer's clock"), nil)
	case nonce != nil && token.IssuedAt.Before(now.Add(-maxAge)):
		return none, c.misconfigured(unsound(theIDToken, "is too old; check this computer's clock"), nil)
	case nonce != nil && (*nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(*nonce)) != 1):
		return none, c.refused("{Name}'s answer belongs to another sign-in, so nobody was signed in. Sign in again.", errors.New("nonce differs"))
	case token.AccessTokenHash != "" && token.VerifyAccessToken(accessToken) != nil:
		return none, c.misconfigured(unsound(theIDToken, "belongs to another access token"), nil)
	}
	return idToken{issuer, token.Subject, cl}, nil
}

// admits reports whether a tenant may sign in.
func (c *Client) admits(tenant string) bool {
	return len(c.cfg.Tenants) == 0 || slices.ContainsFunc(c.cfg.Tenants, func(t string) bool { return hostname.Same(t, tenant) })
}

// tenantID is the shape of Entra's tenant IDs, so that nothing else can get
// into the issuer by way of a claim.
var tenantID = regexp.MustCompile(`^[0-9a-fA-F-]{36}$`)

// verifyAccessToken looks at the access token only where an audience is
// configured; else it is opaque to us (RFC 6749 §1.4).
func (c *Client) verifyAccessToken(ctx context.Context, m *metadata, raw string) *oauth.ProviderError {
	if c.cfg.Audience == "" {
		return nil
	}
	_, templated := issuerTemplate(c.cfg.Issuer)
	_, fault := c.verifyJWT(ctx, m, raw, c.cfg.Audience, templated, theAccessToken)
	return fault
}

// compactJWT is the one form that a JWT has (RFC 7519 §3). The library reads the
// JSON form of a JWS too, with its several signatures and unprotected headers.
var compactJWT = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)

var errNotCompact = errors.New("malformed jwt: not in the compact form")

// verifyJWT checks signature, algorithm, audience, expiry and, unless it is
// templated, issuer.
func (c *Client) verifyJWT(ctx context.Context, m *metadata, raw, audience string, templated bool, what string) (*oidc.IDToken, *oauth.ProviderError) {
	keys := &watchedKeys{KeySet: m.keys}
	var token *oidc.IDToken
	err := errNotCompact
	if compactJWT.MatchString(raw) {
		token, err = oidc.NewVerifier(m.Issuer, keys, &oidc.Config{
			ClientID:             audience,
			SupportedSigningAlgs: m.algorithms(what),
			SkipIssuerCheck:      templated, // the caller compares it with the template
			Now:                  c.cfg.Now,
		}).Verify(ctx, raw)
	}
	if err == nil {
		return token, nil
	}
	if keys.failed != nil && strings.HasPrefix(keys.failed.Error(), "fetching keys") {
		var request *url.Error
		if ctx.Err() != nil || errors.As(keys.failed, &request) {
			return nil, c.keysError(keys.failed)
		}
		return nil, c.misconfigured("{Name}'s keys can't be read. Run drawbridge doctor, and ask whoever runs the provider.", nil)
	}
	var expired *oidc.TokenExpiredError
	reason := "carries a signature that its keys don't confirm"
	says := func(part string) bool { return strings.Contains(err.Error(), part) }
	switch {
	case errors.As(err, &expired):
		reason = "had expired on arrival; check this computer's clock"
	case says("before the nbf"):
		reason = "comes from the future; check this computer's clock"
	case says("issued by a different provider"):
		reason = "names another issuer"
	case says("expected audience") && what == theAccessToken:
		return nil, c.misconfigured("{Name}'s access token is not for the configured audience. Compare the audience in Setup with the audience of the API or authorization server there.", cause(err))
	case says("expected audience"):
		reason = "was made for another client"
	case says("malformed jwt") && what == theAccessToken:
		return nil, c.misconfigured("{Name}'s access token is no signed JWT, so its audience can't be checked. Leave the audience empty in Setup, unless the provider can issue one.", nil)
	case says("unexpected signature algorithm"):
		reason = "is not signed by a key of the provider"
	case says("malformed jwt"), says("unmarshal claims"):
		reason = "can't be read"
	}
	return nil, c.misconfigured(unsound(what, reason), cause(err))
}

// unsound is the sentence for a token that failed a check.
func unsound(what, reason string) string {
	if cut, cure, ok := strings.Cut(reason, "; "); ok {
		return what + " from {name} " + cut + ", so nobody was signed in. " + strings.ToUpper(cure[:1]) + cure[1:] + "."
	}
	return what + " from {name} " + reason + ", so nobody was signed in. Run drawbridge doctor, and ask whoever runs the provider."
}

// algorithms are those that a token may be signed with: for the ID token the
// ones announced, as far as they are asymmetric.
func (m *metadata) algorithms(what string) []string {
	var announced []string
	for _, alg := range m.Algorithms {
		if slices.Contains(asymmetric, alg) {
			announced = append(announced, alg)
		}
	}
	if what == theAccessToken || len(announced) == 0 {
		return asymmetric
	}
	return announced
}

// watchedKeys remembers why a verification failed: go-oidc passes the text on,
// but not whether the keys or the signature were at fault.
type watchedKeys struct {
	oidc.KeySet
	failed error
}

func (w *watchedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := w.KeySet.VerifySignature(ctx, jwt)
	w.failed = err
	return payload, err
}
