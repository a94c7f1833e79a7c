package idp

import (
	"context"
	"crypto/rand"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// CheckClient asks the token endpoint whether it answers and knows us, with a
// code that nobody was given: one that authenticated us says invalid_grant
// (RFC 6749 §5.2), one that did not says invalid_client. Unlike [Client.Check]
// it uses the client secret.
func (c *Client) CheckClient(ctx context.Context) error {
	m, err := c.discovered(ctx)
	if err != nil {
		return err
	}
	_, fault := c.requestToken(ctx, m, func(ctx context.Context, conf *oauth2.Config) (*oauth2.Token, error) {
		return conf.Exchange(ctx, "drawbridge-check", oauth2.VerifierOption(rand.Text()+rand.Text()))
	})
	if fault != nil && fault.Kind == oauth.ProviderMisconfigured && fault.Code != "invalid_client" && fault.Code != "unauthorized_client" {
		fault = nil // it answered and knew us; what it thinks of the code does not count
	}
	c.noteToken(fault)
	if fault == nil || fault.Kind == oauth.ProviderRefused {
		return nil
	}
	return fault
}
