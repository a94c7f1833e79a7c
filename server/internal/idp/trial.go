package idp

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Trial is what one sign-in brought, without the tokens that came with it.
type Trial struct {
	Identity oauth.Identity
	Asked    []string // scopes
	Scopes   []string // granted; nil: as asked (RFC 6749 §5.1)

	Refresh bool // there was a refresh token
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
	return Trial{Identity: c.reader.identity(id.issuer, id.subject, id.claims), Asked: c.scopes(m), Scopes: c.granted(token), Refresh: token.RefreshToken != ""}, nil
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
