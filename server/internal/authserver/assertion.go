package authserver

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// assertionType is the client_assertion_type of RFC 7523 §2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Only signatures by a private key: an HMAC would need a shared secret.
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.EdDSA}

// An assertion is for one request, so it is short-lived and used once.
const (
	assertionLife   = 10 * time.Minute // the longest lifetime taken
	assertionLeeway = 30 * time.Second // for clocks that differ
	maxReplays      = 10_000
	maxReplaysEach  = 500 // of clients of one host, so that one can't crowd out the others
)

// assertionClient is whom an unverified assertion says it is of.
func assertionClient(assertion string) string {
	parsed, err := jwt.ParseSigned(assertion, assertionAlgorithms)
	if err != nil {
		return ""
	}
	var claims jwt.Claims
	if parsed.UnsafeClaimsWithoutVerification(&claims) != nil {
		return ""
	}
	return claims.Subject
}

// checkAssertion verifies that client signed assertion for us, just now and for
// the first time (RFC 7523 §3). It returns invalid_client errors, or
// temporarily_unavailable if the client's keys can't be had.
func (s *Server) checkAssertion(ctx context.Context, client *oauth.Client, assertion string, actor netip.Prefix) error {
	bad := func(err error) error {
		return oauth.InvalidClient("The client assertion is not valid.").Because(err)
	}
	parsed, err := jwt.ParseSigned(assertion, assertionAlgorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return bad(err)
	}
	claims, err := s.verify(ctx, client, parsed, actor, false)
	if err != nil { // the client may have rotated its keys since we looked
		if claims, err = s.verify(ctx, client, parsed, actor, true); err != nil {
			return err
		}
	}
	now := s.Now()
	if err := claims.ValidateWithLeeway(jwt.Expected{Issuer: client.ID, Subject: client.ID, Time: now}, assertionLeeway); err != nil {
		return bad(err)
	}
	// The Python SDKs write an issuer without a path with a slash at its end.
	ours := func(aud string) bool { return aud == s.Issuer || aud == s.Issuer+"/" || aud == s.Issuer+"/token" }
	switch {
	case !slices.ContainsFunc(claims.Audience, ours):
		return oauth.InvalidClient("The client assertion is for another audience; it must name %s.", s.Issuer)
	case claims.Expiry == nil || claims.Expiry.Time().Sub(now) > assertionLife:
		return oauth.InvalidClient("The client assertion must expire within ten minutes.")
	case claims.ID == "":
		return oauth.InvalidClient("The client assertion must have a jti.")
	}
	var first bool
	if until := claims.Expiry.Time().Add(assertionLeeway); client.Kind == oauth.KindStatic {
		first, err = s.Grants.ShownOnce(client.ID, claims.ID, until)
	} else { // anybody's, whose token takes a person besides
		first = s.assertions.First(client.ID+"\x00"+claims.ID, hostOf(client.ID), until, now)
	}
	if err == nil && !first {
		return oauth.InvalidClient("The client assertion was used before.")
	}
	return err
}

// verify checks the signature with the client's keys.
func (s *Server) verify(ctx context.Context, client *oauth.Client, parsed *jwt.JSONWebToken, actor netip.Prefix, fresh bool) (*jwt.Claims, error) {
	keys, err := s.Documents.Keys(ctx, client, actor, fresh)
	if err != nil {
		return nil, err
	}
	for _, key := range keys.Keys {
		if kid := parsed.Headers[0].KeyID; kid != "" && key.KeyID != "" && kid != key.KeyID || key.Use == "enc" || !key.IsPublic() {
			continue
		}
		var claims jwt.Claims
		if err := parsed.Claims(key.Key, &claims); err == nil {
			return &claims, nil
		}
	}
	return nil, oauth.InvalidClient("The client assertion is not signed by a key of this client.")
}
