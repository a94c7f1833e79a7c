package idp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Trial is what one sign-in brought, without the tokens that came with it.
type Trial struct {
	Identity oauth.Identity
	Asked    []string // scopes
	Scopes   []string // granted; nil: as asked (RFC 6749 §5.1)

	Refresh    bool          // there was a refresh token
	RefreshTTL time.Duration // how long it lives, if the provider says so (Google does); else 0

	// Of the access token: the audiences in it, or that it is no JWT.
	Audience []string
	Opaque   bool

	InForm bool // the provider did not take the client secret in the header
}

// Try redeems a code as [Client.Exchange] does, and gives every token back at
// once: it is for a sign-in that shall come to nothing. It goes on when ctx is
// cancelled, for 25 s at most.
func (c *Client) Try(ctx context.Context, upstreamCode, verifier, nonce string) (Trial, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	m, err := c.discovered(ctx)
	if err != nil {
		return Trial{}, err
	}
	token, id, fault := c.signedIn(ctx, m, upstreamCode, verifier, nonce)
	if token != nil {
		defer c.giveBack(ctx, m, token)
	}
	if fault != nil {
		return Trial{}, fault
	}
	t := Trial{Identity: c.reader.identity(id.issuer, id.subject, id.claims), Asked: c.scopes(m), Scopes: c.granted(token),
		Refresh: token.RefreshToken != "", RefreshTTL: refreshTTL(token)}
	t.Audience, t.Opaque = audienceOf(token.AccessToken)
	c.mu.Lock()
	t.InForm = c.authStyle == oauth2.AuthStyleInParams && (len(m.AuthMethods) == 0 || m.takes("client_secret_basic"))
	c.mu.Unlock()
	return t, nil
}

// giveBack revokes what came. The refresh token takes the access token with it,
// at most providers; what can't be revoked is forgotten and expires.
func (c *Client) giveBack(ctx context.Context, m *metadata, token *oauth2.Token) {
	var err error
	if token.RefreshToken != "" {
		err = c.revoke(ctx, m, token.RefreshToken, "refresh_token")
	}
	if err == nil {
		err = c.revoke(ctx, m, token.AccessToken, "access_token")
	}
	if err != nil {
		c.cfg.Log.Warn("the tokens of a dry run could not be revoked, they expire by themselves", "cause", err)
	}
}

// refreshTTL reads what Google adds for refresh tokens that end, as those of an
// app in testing do.
func refreshTTL(token *oauth2.Token) time.Duration {
	switch s := token.Extra("refresh_token_expires_in").(type) {
	case float64:
		return time.Duration(s) * time.Second
	case string:
		n, _ := strconv.ParseFloat(s, 64)
		return time.Duration(min(n, 1e9) * float64(time.Second))
	}
	return 0
}

// maxAudiences is how many audiences of an access token are told.
const maxAudiences = 10

// audienceOf reads the audiences of an access token that is a JWT. Nothing is
// verified: they are shown to a person, and decide nothing.
func audienceOf(raw string) (audience []string, opaque bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, true
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, true
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, true
	}
	var many []string
	if json.Unmarshal(c["aud"], &many) != nil {
		many = []string{c.text("aud")}
	}
	for _, aud := range many {
		if aud = shortLine(aud); aud != "" && len(audience) < maxAudiences {
			audience = append(audience, aud)
		}
	}
	return audience, false
}
