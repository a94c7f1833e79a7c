package idp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// answerTimeout bounds an exchange or a refresh with all its requests. Claude
// waits 30 s for a refresh.
const answerTimeout = 25 * time.Second

// detached returns a context that outlives its request. A code or a rotating
// refresh token is used up by being sent, so a client that hangs up must not
// keep us from reading the answer.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
}

// Exchange redeems the code that came to our callback (RFC 6749 §4.1.3) and
// returns who signed in. up is what [Client.AuthURL] was called with; the caller
// has compared the state. It goes on when ctx is cancelled, for 25 s at
// most.
func (c *Client) Exchange(ctx context.Context, upstreamCode string, up oauth.UpstreamRequest) (oauth.Upstream, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	m, err := c.discovered(ctx)
	if err != nil {
		return oauth.Upstream{}, err
	}
	token, who, fault := c.signedIn(ctx, m, upstreamCode, up)
	c.noteToken(fault)
	if fault != nil {
		return oauth.Upstream{}, fault
	}
	return oauth.Upstream{Identity: who, Scopes: c.granted(token), RefreshToken: token.RefreshToken}, nil
}

// signedIn redeems a code and returns what it stands for. With a fault there may
// be a token all the same.
func (c *Client) signedIn(ctx context.Context, m *metadata, code string, up oauth.UpstreamRequest) (token *oauth2.Token, who oauth.Identity, fault *oauth.ProviderError) {
	token, fault = c.requestToken(ctx, m, func(ctx context.Context, conf *oauth2.Config) (*oauth2.Token, error) {
		return conf.Exchange(ctx, code, oauth2.VerifierOption(up.Verifier))
	}, code, up.Verifier)
	if fault == nil {
		who, fault = c.person(ctx, m, token, &up.Nonce, oauth.Identity{})
	}
	return token, who, fault
}

// Refresh asks again who the person of prev is (RFC 6749 §6, OpenID Connect
// Core 1.0 §12). What the provider says now replaces prev; only if it says
// nothing of the person at all, prev stands. It goes on when ctx is cancelled,
// for 25 s at most.
//
// A failure may come after the provider has replaced the refresh token. Then
// the error comes with an Upstream that holds nothing but the new one: a caller
// that keeps the grant must keep that too.
func (c *Client) Refresh(ctx context.Context, refreshToken string, prev oauth.Identity) (oauth.Upstream, error) {
	if refreshToken == "" {
		return oauth.Upstream{}, c.refused("{Name} gave no refresh token for this sign-in. Sign in again.", nil)
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	m, err := c.discovered(ctx)
	if err != nil {
		return oauth.Upstream{}, err
	}
	token, fault := c.requestToken(ctx, m, func(ctx context.Context, conf *oauth2.Config) (*oauth2.Token, error) {
		return conf.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
	}, refreshToken)
	if fault != nil {
		c.noteToken(fault)
		return oauth.Upstream{}, fault
	}
	who, fault := c.person(ctx, m, token, nil, prev)
	c.noteToken(fault)
	if fault != nil {
		return oauth.Upstream{RefreshToken: token.RefreshToken}, fault
	}
	return oauth.Upstream{Identity: who, Scopes: c.granted(token), RefreshToken: token.RefreshToken}, nil
}

// Revoke ends refreshToken, and what came of it, at the provider (RFC 7009).
// One that is unknown there, and a provider without a revocation endpoint, are
// no errors.
func (c *Client) Revoke(ctx context.Context, refreshToken string) error {
	if refreshToken == "" {
		return nil
	}
	m, err := c.discovered(ctx)
	if err != nil {
		return err
	}
	return c.revoke(ctx, m, refreshToken, "refresh_token")
}

// revoke ends a token of the kind hint (RFC 7009 §2.1).
func (c *Client) revoke(ctx context.Context, m *metadata, token, hint string) error {
	if m.Revocation == "" {
		return nil
	}
	sent := ""
	err := c.authenticated(ctx, m, func(style oauth2.AuthStyle, secret string) error {
		sent = secret
		return c.postRevocation(ctx, m.Revocation, url.Values{"token": {token}, "token_type_hint": {hint}}, style, secret)
	})
	if err == nil {
		return nil
	}
	fault := c.tokenFault(err, token, sent)
	if fault.Code == "invalid_token" || fault.Code == "invalid_grant" {
		return nil // Google's way to say that it was over already
	}
	if fault.Kind == oauth.ProviderUnreachable && ctx.Err() == nil {
		c.noteToken(fault)
	}
	return fault
}

func (c *Client) postRevocation(ctx context.Context, endpoint string, form url.Values, style oauth2.AuthStyle, secret string) error {
	if style == oauth2.AuthStyleInParams {
		form.Set("client_id", c.cfg.ClientID)
		if secret != "" {
			form.Set("client_secret", secret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if style == oauth2.AuthStyleInHeader {
		req.SetBasicAuth(url.QueryEscape(c.cfg.ClientID), url.QueryEscape(secret))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		return nil
	}
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	json.NewDecoder(resp.Body).Decode(&said) // without a body the status speaks
	return &oauth2.RetrieveError{Response: resp, ErrorCode: said.Code, ErrorDescription: said.Description}
}

// requestToken sends one request to the token endpoint. secrets are what it
// carries, to keep them out of errors.
func (c *Client) requestToken(ctx context.Context, m *metadata, send func(context.Context, *oauth2.Config) (*oauth2.Token, error), secrets ...string) (*oauth2.Token, *oauth.ProviderError) {
	var token *oauth2.Token
	ctx = context.WithValue(ctx, oauth2.HTTPClient, c.http)
	err := c.authenticated(ctx, m, func(style oauth2.AuthStyle, secret string) (err error) {
		secrets = append(secrets, secret)
		token, err = send(ctx, &oauth2.Config{
			ClientID: c.cfg.ClientID, ClientSecret: secret, RedirectURL: c.cfg.RedirectURI,
			// Left on automatic, x/oauth2 would send each failing code twice.
			Endpoint: oauth2.Endpoint{TokenURL: m.Token, AuthStyle: style},
		})
		return err
	})
	if err != nil {
		return nil, c.tokenFault(err, secrets...)
	}
	return token, nil
}

// authenticated sends a request with our client authentication: the secret in
// the header (RFC 6749 §2.3.1), or in the form where the provider's metadata
// lacks that. Some providers take the header's encoding amiss (Okta among
// them), so one that refuses the client itself is asked once more with the form;
// the code is not spent then, as the client is authenticated first (§4.1.3).
// What worked is remembered.
func (c *Client) authenticated(ctx context.Context, m *metadata, send func(style oauth2.AuthStyle, secret string) error) error {
	secret, err := c.cfg.ClientSecret(ctx)
	if err != nil {
		return c.misconfigured("The client secret can't be had from the keychain. Unlock the keychain, or enter the secret again in Setup.", err)
	}
	if secret == "" {
		return send(oauth2.AuthStyleInParams, "") // a public client names itself only
	}
	supports := func(method string) bool { return len(m.AuthMethods) == 0 || m.takes(method) }
	c.mu.Lock()
	style := c.authStyle
	c.mu.Unlock()
	known := style != oauth2.AuthStyleAutoDetect
	if !known {
		style = oauth2.AuthStyleInHeader
		if !supports("client_secret_basic") && supports("client_secret_post") {
			style = oauth2.AuthStyleInParams
		}
	}
	err = send(style, secret)
	if !known && style == oauth2.AuthStyleInHeader && clientRefused(err) && supports("client_secret_post") {
		style = oauth2.AuthStyleInParams
		err = send(style, secret)
	}
	var answered *oauth2.RetrieveError
	if err == nil || errors.As(err, &answered) && !clientRefused(err) {
		c.mu.Lock()
		c.authStyle = style
		c.mu.Unlock()
	}
	return err
}

// clientRefused reports whether err says that our client authentication failed
// (RFC 6749 §5.2).
func clientRefused(err error) bool {
	var answered *oauth2.RetrieveError
	return errors.As(err, &answered) && (answered.ErrorCode == "invalid_client" || answered.Response.StatusCode == http.StatusUnauthorized)
}

// granted are the scopes of a token response, nil if it has none: as asked
// (RFC 6749 §5.1).
func (c *Client) granted(token *oauth2.Token) []string {
	said, _ := token.Extra("scope").(string)
	var scopes []string
	for _, s := range strings.Fields(said) {
		if short, ok := c.profile.scopeNames[s]; ok {
			s = short
		}
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

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
func (c *Client) Try(ctx context.Context, upstreamCode string, up oauth.UpstreamRequest) (Trial, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	m, err := c.discovered(ctx)
	if err != nil {
		return Trial{}, err
	}
	token, who, fault := c.signedIn(ctx, m, upstreamCode, up)
	if token != nil {
		defer c.giveBack(ctx, m, token)
	}
	if fault != nil {
		return Trial{}, fault
	}
	return Trial{Identity: who, Asked: c.scopes(m), Scopes: c.granted(token), Refresh: token.RefreshToken != ""}, nil
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
