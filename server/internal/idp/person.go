package idp

import (
	"context"
	"errors"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// claimsAtSignIn are the claims of a token response, those of userinfo added.
func (c *Client) claimsAtSignIn(ctx context.Context, m *metadata, token *oauth2.Token, nonce string) (idToken, *oauth.ProviderError) {
	var nobody idToken
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nobody, c.misconfigured("{Name} sent no ID token. Allow the scope openid in the client's settings there.", nil)
	}
	id, fault := c.verifyIDToken(ctx, m, raw, token.AccessToken, &nonce)
	if fault != nil {
		return nobody, fault
	}
	if fault := c.verifyAccessToken(ctx, m, token.AccessToken); fault != nil {
		return nobody, fault
	}
	if m.Userinfo != "" && c.reader.thin(id.claims) {
		info, fault := c.userinfo(ctx, m, token, id.subject)
		switch {
		case fault == nil:
			id.claims = c.reader.fill(id.claims, info)
		case fault.Kind == oauth.ProviderRefused, fault.Kind == oauth.ProviderUnreachable && id.claims.email() == "":
			return nobody, fault
		default:
			c.cfg.Log.Warn("userinfo failed, the ID token has to do", "cause", fault.Err)
		}
	}
	c.warnOfOverage(id.claims)
	return id, nil
}

// whoIsStill returns the person of a token response at a refresh, who must be
// that of prev.
func (c *Client) whoIsStill(ctx context.Context, m *metadata, token *oauth2.Token, prev oauth.Identity) (oauth.Identity, *oauth.ProviderError) {
	var nobody oauth.Identity
	id := idToken{issuer: prev.Issuer, subject: prev.Subject}
	raw, _ := token.Extra("id_token").(string)
	if raw != "" {
		var fault *oauth.ProviderError
		if id, fault = c.verifyIDToken(ctx, m, raw, token.AccessToken, nil); fault != nil {
			return nobody, fault
		}
		if id.subject != prev.Subject || prev.Issuer != "" && id.issuer != prev.Issuer {
			return nobody, c.refused("{Name} answered for another person. Sign in again.", errors.New("issuer or subject differs"))
		}
	}
	if fault := c.verifyAccessToken(ctx, m, token.AccessToken); fault != nil {
		return nobody, fault
	}
	said := raw != ""
	if m.Userinfo != "" && c.reader.thin(id.claims) {
		info, fault := c.userinfo(ctx, m, token, id.subject)
		_, groups := id.claims.groups(c.reader.groupsClaim)
		// An outage must not look as if the person had lost address or groups.
		loses := prev.Email != "" && id.claims.email() == "" || len(prev.Groups) > 0 && !groups
		switch {
		case fault == nil:
			id.claims, said = c.reader.fill(id.claims, info), true
		case fault.Kind == oauth.ProviderRefused, fault.Kind == oauth.ProviderUnreachable && loses:
			return nobody, fault
		default:
			c.cfg.Log.Warn("userinfo failed at a refresh", "cause", fault.Err)
		}
	}
	if !said {
		return prev, nil
	}
	c.warnOfOverage(id.claims)
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

// warnOfOverage tells the log why a member of many groups seems to be in none:
// Entra then sends a link in their place.
func (c *Client) warnOfOverage(cl claims) {
	if cl.overage(c.reader.groupsClaim) {
		c.cfg.Log.Warn("the provider left the groups out, as there are too many: let it send only groups assigned to the app")
	}
}
