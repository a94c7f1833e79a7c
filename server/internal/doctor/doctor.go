// Package doctor looks at everything a sign-in needs, in the order in which it
// is needed, and says of each what it found and what to do. It changes nothing
// and shows no secret. Start at [Run].
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Provider is the OpenID provider as the checks need it.
type Provider interface {
	// Check fetches discovery and keys anew.
	Check(ctx context.Context) error
	// Probe returns an authorization URL that asks for no interaction.
	Probe(ctx context.Context) (string, error)
}

// Patient is what gets looked at.
type Patient struct {
	Config      config.Config
	Keystore    keystore.Store
	Provider    Provider
	PublicURL   string // no slash at the end
	RedirectURI string
	Running     bool // by this process: only then can the public URL answer
	HTTP        *http.Client
}

// checkTime is how long one check may take.
const checkTime = 10 * time.Second

// Run makes every check and returns one line for each.
func Run(ctx context.Context, p Patient) []status.Check {
	if p.HTTP == nil {
		p.HTTP = &http.Client{Timeout: checkTime}
	}
	client := *p.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.HTTP = &client
	var list []status.Check
	for _, c := range []struct {
		name string
		look func(context.Context) (result, cure string)
	}{
		{"configuration", p.configuration},
		{"access list", p.access},
		{"keychain", p.keychain},
		{"provider", p.provider},
		{"redirect URI", p.redirectURI},
		{"audience", p.audience},
		{"tunnel", p.tunnel},
		{"public URL", p.publicURL},
	} {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		result, cure := c.look(ctx)
		cancel()
		list = append(list, status.Check{Name: c.name, OK: cure == "", Result: result, Cure: cure})
	}
	return list
}

func (p Patient) configuration(context.Context) (string, string) {
	if missing := p.Config.Missing(); len(missing) > 0 {
		return "it lacks " + strings.Join(missing, ", "), "Run `drawbridge setup`."
	}
	return "issuer " + p.Config.IDP.Issuer + ", MCP URL " + p.PublicURL + "/mcp", ""
}

func (p Patient) access(context.Context) (string, string) {
	a := p.Config.Access
	var who []string
	for _, part := range []struct {
		what string
		list []string
	}{{"addresses", a.Emails}, {"domains", a.Domains}, {"groups", a.Groups}} {
		if len(part.list) > 0 {
			who = append(who, part.what+" "+strings.Join(part.list, ", "))
		}
	}
	if a.Anyone {
		who = append(who, "whoever the provider signs in")
	}
	if len(who) == 0 {
		return "nobody may sign in", "Say who may in [access] of config.toml, or run `drawbridge setup`."
	}
	return strings.Join(who, "; "), ""
}

func (p Patient) keychain(ctx context.Context) (string, string) {
	_, err := p.Keystore.Get(ctx, keystore.DataKey)
	if err != nil && !(errors.Is(err, keystore.ErrNotFound) && !p.Running) {
		return "the data key can't be read", err.Error()
	}
	_, err = p.Keystore.Get(ctx, keystore.IDPClientSecret)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return "it answers; it holds no client secret, which is right for a public client only", ""
	case err != nil:
		return "the client secret can't be read", err.Error()
	}
	return "it answers, and holds the client secret", ""
}

func (p Patient) provider(ctx context.Context) (string, string) {
	if err := p.Provider.Check(ctx); err != nil {
		var pe *oauth.ProviderError
		if errors.As(err, &pe) {
			return "it can't be used", pe.Message
		}
		return "it can't be used", err.Error()
	}
	return "discovery and keys of " + p.Config.IDP.Issuer + " are good", ""
}

// redirectURI asks the provider to answer without showing anything. One that
// knows client and redirect URI sends us back there, with an error; one that
// doesn't shows a page of its own.
func (p Patient) redirectURI(ctx context.Context) (string, string) {
	enter := "Enter " + p.RedirectURI + " as a redirect URI (sign-in redirect, callback URL) of the app with client id " + p.Config.IDP.ClientID + " at the provider."
	address, err := p.Provider.Probe(ctx)
	if err != nil {
		return "not checked, since the provider was not reached; it must be " + p.RedirectURI, ""
	}
	resp, err := p.get(ctx, address)
	if err != nil {
		return "not checked, since the provider did not answer; it must be " + p.RedirectURI, ""
	}
	defer func() { _ = resp.Body.Close() }()
	location := resp.Header.Get("Location")
	switch {
	case strings.HasPrefix(location, p.RedirectURI+"?"):
		back, err := url.Parse(location)
		if code := back.Query().Get("error"); err == nil && (code == "invalid_scope" || code == "unauthorized_client" || code == "invalid_request") {
			return "the provider knows " + p.RedirectURI + " but refuses the request (" + code + ")", "Check at the provider that the app allows the authorization code grant and the scopes " + strings.Join(p.Config.IDP.Scopes, ", ") + "."
		}
		return "the provider accepts " + p.RedirectURI, ""
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		return fmt.Sprintf("the provider refuses client id or redirect URI (status %d)", resp.StatusCode), enter
	}
	return "the provider doesn't say; it must be " + p.RedirectURI, ""
}

func (p Patient) audience(context.Context) (string, string) {
	if p.Config.IDP.Audience == "" {
		return "none asked for: the provider's access token is not looked into", ""
	}
	return "each sign-in must bring an access token for " + p.Config.IDP.Audience, ""
}

func (p Patient) tunnel(context.Context) (string, string) {
	if p.Config.Tunnel.Provider == "ngrok" {
		return "ngrok is configured, which this version does not open yet", `Set provider = "none" in [tunnel] and use your own reverse proxy.`
	}
	return "none: " + p.PublicURL + " must reach this computer by other means", ""
}

// publicURL goes in by the front door, as a client would.
func (p Patient) publicURL(ctx context.Context) (string, string) {
	if !p.Running {
		return "not checked: Drawbridge is not running", ""
	}
	const path = "/.well-known/oauth-protected-resource/mcp"
	resp, err := p.get(ctx, p.PublicURL+path)
	if err != nil {
		return p.PublicURL + " can't be reached from here", "Check that the name resolves and that your proxy forwards to Drawbridge."
	}
	defer func() { _ = resp.Body.Close() }()
	var doc struct {
		Resource string `json:"resource"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&doc)
	switch {
	case resp.StatusCode != http.StatusOK || err != nil:
		return fmt.Sprintf("%s does not answer like Drawbridge (status %d)", p.PublicURL, resp.StatusCode), "Check that public_url leads to this Drawbridge, and that a proxy before it passes every path and the Host header on."
	case doc.Resource != p.PublicURL+"/mcp":
		return p.PublicURL + " is answered by another server", "Check where public_url leads."
	}
	return p.PublicURL + " leads here", ""
}

func (p Patient) get(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return p.HTTP.Do(req)
}
