package main

import (
	"context"
	"errors"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// mcpGoProgram signs in where the library says that it must, as its own example
// does, and goes on with the same client.
type mcpGoProgram struct{ client *client.Client }

func (p *mcpGoProgram) connect(ctx context.Context) error {
	c, err := client.NewOAuthStreamableHttpClient(options.URL, client.OAuthConfig{RedirectURI: options.RedirectURI, PKCEEnabled: true, TokenStore: transport.NewMemoryTokenStore()})
	if err != nil {
		return err
	}
	p.client = c
	if err := c.Start(ctx); err != nil {
		return err
	}
	return p.signedIn(ctx, func() error {
		_, err := c.Initialize(ctx, mcp.InitializeRequest{Params: mcp.InitializeParams{
			ProtocolVersion: mcp.LATEST_PROTOCOL_VERSION, ClientInfo: mcp.Implementation{Name: options.Name, Version: "1"}}})
		return err
	})
}

func (p *mcpGoProgram) call(ctx context.Context) (text string, err error) {
	err = p.signedIn(ctx, func() error {
		request := mcp.CallToolRequest{}
		request.Params.Name, request.Params.Arguments = "echo", map[string]any{"message": "grüezi"}
		r, err := p.client.CallTool(ctx, request)
		if err != nil {
			return err
		}
		content, ok := r.Content[0].(mcp.TextContent)
		if !ok {
			return errors.New("no text")
		}
		text = content.Text
		return nil
	})
	return text, err
}

// signedIn does what needs a sign-in, once more after one.
func (p *mcpGoProgram) signedIn(ctx context.Context, do func() error) error {
	err := do()
	if !client.IsOAuthAuthorizationRequiredError(err) {
		return err
	}
	h := client.GetOAuthHandler(err)
	verifier, err := client.GenerateCodeVerifier()
	if err != nil {
		return err
	}
	state, err := client.GenerateState()
	if err != nil {
		return err
	}
	if h.GetClientID() == "" {
		if err := h.RegisterClient(ctx, options.Name); err != nil {
			return err
		}
	}
	address, err := h.GetAuthorizationURL(ctx, state, client.GenerateCodeChallenge(verifier))
	if err != nil {
		return err
	}
	q, err := signIn(address)
	if err != nil {
		return err
	}
	if err := h.ProcessAuthorizationResponse(ctx, q.Get("code"), q.Get("state"), verifier); err != nil {
		return err
	}
	return do()
}
