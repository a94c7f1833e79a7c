package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// clientName is the known client that [SignIn] plays.
const clientName = "Claude for Acme"

// SignIn signs a person in at the demo that owner reaches, without a page, as a
// company's client does, and says each step: by the key of a text and its
// arguments.
func SignIn(ctx context.Context, owner *control.Client, user string, say func(key string, args ...any)) error {
	st, err := owner.Status(ctx)
	if err != nil {
		return err
	}
	idToken, err := idTokenOf(ctx, st.IDP.Issuer, user)
	if err != nil {
		return err
	}
	say("cli.demo.signin.1", user, st.IDP.Issuer)
	id, secret, err := known(ctx, owner)
	if err != nil {
		return err
	}
	// tokens asks a token endpoint; the grant type is among the parameters.
	tokens := func(endpoint, secret string, parameters url.Values) (*oauth2.Token, error) {
		app := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: endpoint, EndpointParams: parameters, AuthStyle: oauth2.AuthStyleInHeader}
		return app.Token(ctx)
	}
	const kind = "urn:ietf:params:oauth:token-type:"
	assertion, err := tokens(st.IDP.Issuer+"/token", demo.ClientSecret, url.Values{
		"grant_type": {demo.TokenExchange}, "requested_token_type": {kind + "id-jag"}, "subject_token": {idToken}, "subject_token_type": {kind + "id_token"},
		"audience": {st.Issuer}, "resource": {st.MCPURL}, "scope": {"openid profile email"}})
	if err != nil {
		return err
	}
	var claims map[string]any
	if parsed, err := jwt.ParseSigned(assertion.AccessToken, []jose.SignatureAlgorithm{jose.RS256}); err == nil {
		_ = parsed.UnsafeClaimsWithoutVerification(&claims) // which Drawbridge does
	}
	say("cli.demo.signin.2", id, st.Issuer, indented(claims))
	token, err := tokens(st.Issuer+"/token", secret, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion.AccessToken}, "resource": {st.MCPURL}})
	if err != nil {
		return err
	}
	say("cli.demo.signin.3", st.Issuer+"/token")
	who, err := whoami(ctx, st.MCPURL, token)
	if err == nil {
		say("cli.demo.signin.4", indented(who))
	}
	return err
}

// idTokenOf is what a client has after a person has signed in there.
func idTokenOf(ctx context.Context, issuer, user string) (string, error) {
	app := oauth2.Config{ClientID: demo.ClientID, ClientSecret: demo.ClientSecret, RedirectURL: "http://127.0.0.1/", Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{AuthURL: issuer + "/authorize", TokenURL: issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader}}
	verifier := oauth2.GenerateVerifier()
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.PostForm(app.AuthCodeURL("", oauth2.S256ChallengeOption(verifier)), url.Values{"user": {user}})
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("%s is not the demo's provider, or does not know %s: its people are alice and bob", issuer, user)
	}
	token, err := app.Exchange(ctx, to.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return "", err
	}
	idToken, _ := token.Extra("id_token").(string)
	return idToken, nil
}

// known adds the client, or gives it another secret.
func known(ctx context.Context, owner *control.Client) (id, secret string, err error) {
	list, err := owner.Clients(ctx)
	for _, c := range list {
		if c.Known && c.Name == clientName {
			secret, _, err = owner.RotateClient(ctx, c.ID)
			return c.ID, secret, err
		}
	}
	if err != nil {
		return "", "", err
	}
	c, secret, err := owner.AddClient(ctx, status.NewClient{Name: clientName, Grants: []string{"jwt-bearer"}})
	return c.ID, secret, err
}

// whoami calls that tool with a token.
func whoami(ctx context.Context, mcpURL string, token *oauth2.Token) (any, error) {
	c, err := client.NewStreamableHttpClient(mcpURL, transport.WithHTTPBasicClient(oauth2.NewClient(ctx, oauth2.StaticTokenSource(token))))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	hello, call := mcp.InitializeRequest{}, mcp.CallToolRequest{}
	hello.Params.ProtocolVersion, hello.Params.ClientInfo = mcp.LATEST_PROTOCOL_VERSION, mcp.Implementation{Name: clientName, Version: "1"}
	call.Params.Name = "whoami"
	if _, err := c.Initialize(ctx, hello); err != nil {
		return nil, err
	}
	result, err := c.CallTool(ctx, call)
	if err != nil {
		return nil, err
	}
	return result.StructuredContent, nil
}

func indented(v any) string {
	out, _ := json.MarshalIndent(v, "     ", "  ")
	return string(out)
}
