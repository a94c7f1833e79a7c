package idp

import (
	"context"
	"errors"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// person is who a token response is about, by its ID token and userinfo. At a
// sign-in nonce is the one that was sent. At a refresh it is nil, there may be no
// ID token (OpenID Connect Core 1.0 §12.2), and it has to be the person of prev,
// who stands if nothing is said of them.
func (c *Client) person(ctx context.Context, m *metadata, token *oauth2.Token, nonce *string, prev oauth.Identity) (oauth.Identity, *oauth.ProviderError) {
	var nobody oauth.Identity
	id := idToken{issuer: prev.Issuer, subject: prev.Subject}
	raw, _ := token.Extra("id_token").(string)
	if raw != "" {
		var fault *oauth.ProviderError
		if id, fault = c.verifyIDToken(ctx, m, raw, token.AccessToken, nonce); fault != nil {
			return nobody, fault
		}
		if nonce == nil && (id.subject != prev.Subject || prev.Issuer != "" && id.issuer != prev.Issuer) {
			return nobody, c.refused("{Name} answered for another person. Sign in again.", errors.New("issuer or subject differs"))
		}
	} else if nonce != nil {
		return nobody, c.misconfigured("{Name} sent no ID token. Allow the scope openid in the client's settings there.", nil)
	}
	if fault := c.verifyAccessToken(ctx, m, token.AccessToken); fault != nil {
		return nobody, fault
	}
	said := raw != ""
	if m.Userinfo != "" && c.reader.thin(id.claims) {
		info, fault := c.userinfo(ctx, m, token, id.subject)
		_, groups := id.claims.groups(c.reader.groupsClaim)
		// An outage must not look as if the person had lost address or groups.
		loses := id.claims.email() == "" && (nonce != nil || prev.Email != "") || len(prev.Groups) > 0 && !groups
		switch {
		case fault == nil:
			id.claims, said = c.reader.fill(id.claims, info), true
		case fault.Kind == oauth.ProviderRefused, fault.Kind == oauth.ProviderUnreachable && loses:
			return nobody, fault
		default:
			c.cfg.Log.Warn("userinfo failed, what else is known has to do", "cause", fault.Err)
		}
	}
	if !said {
		return prev, nil
	}
	if id.claims.overage(c.reader.groupsClaim) { // Entra then sends a link in their place
		c.cfg.Log.Warn("the provider left the groups out, as there are too many: let it send only groups assigned to the app")
	}
	return c.reader.identity(id.issuer, id.subject, id.claims), nil
}

// userinfo asks who the access token is for (OpenID Connect Core 1.0 §5.3). An
// answer for another subject must not be used (§5.3.2), and is a refusal.
func (c *Client) userinfo(ctx context.Context, m *metadata, token *oauth2.Token, subject string) (claims, *oauth.ProviderError) {
	info, err := m.oidc.UserInfo(oidc.ClientContext(ctx, c.http), oauth2.StaticTokenSource(token))
	if err != nil {
		if isNetwork(err) {
			return nil, c.unreachable(err)
		}
		return nil, c.misconfigured("{Name} does not say who signed in. Check the client's scopes there.", err)
	}
	if info.Subject != subject {
		return nil, c.refused("{Name} answered for another person. Sign in again.", errors.New("userinfo's subject differs"))
	}
	var cl claims
	if info.Claims(&cl) != nil {
		return nil, c.misconfigured("{Name} does not say who signed in. Check the client's scopes there.", nil)
	}
	return cl, nil
}
