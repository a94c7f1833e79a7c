// Package idp is the OpenID provider as Drawbridge sees it: where it is, how a
// person is sent there, what it says of them, and whether it still stands by
// that at a refresh.
//
// It never serves a request, never decides who may sign in, and never keeps a
// token or a secret. Each failure is an [oauth.ProviderError] whose message is
// a sentence for a person.
//
// Start at [Client].
package idp

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Config says which provider it is and who we are there.
type Config struct {
	Issuer      string   // https, or http on loopback; as the provider writes it, byte for byte
	ClientID    string   // ours at the provider
	Audience    string   // "": access tokens are opaque to us; else they must be JWTs for it
	GroupsClaim string   // where groups stand, a claim or a path of claims; "": groups
	TrustEmail  bool     // an address counts though the provider never says whether it is verified
	Tenants     []string // of an issuer for many tenants (Entra), those that may sign in; empty: all
	Scopes      []string // asked for at each sign-in; "openid" is added if it is missing
	RedirectURI string   // PUBLIC_URL/auth/callback

	// ClientSecret is asked each time the secret is needed, because a keychain
	// may be locked at start. nil or "" means a public client.
	ClientSecret func(context.Context) (string, error)

	Stay       bool             // documents that moved are not followed: what a person pasted must not lead elsewhere
	HTTPClient *http.Client     // nil: time-outs of 10 s, and the way out of the environment
	OnChange   func(status.IDP) // called after State changed, the first answer included, one call at a time; may call State only
	Now        func() time.Time // nil: time.Now
	Log        *slog.Logger     // nil: silent
}

// Client speaks to one provider. Its methods may be called from several
// goroutines. It implements [oauth.Provider].
type Client struct {
	cfg     Config
	http    *http.Client
	profile *profile // what is special about this provider
	reader  reader   // of its claims
	name    string   // as sentences name it, for example "Okta"
	flights singleflight.Group
	telling sync.Mutex // held while OnChange is called

	// mu guards everything below.
	mu        sync.Mutex
	found     *metadata            // what discovery said last; nil before the first success
	failed    *oauth.ProviderError // the latest discovery's failure
	failures  int                  // failed discoveries in a row
	retryAt   time.Time            // no discovery before this
	strikes   int                  // unanswered requests in a row since discovery
	left      []string             // keys that the last check could not read
	authStyle oauth2.AuthStyle     // how the provider takes the secret, once that is known
	health    health
}

var _ oauth.Provider = (*Client)(nil)

// New returns a client for the provider of cfg. It asks nothing yet, so an app
// can start while its provider is away.
func New(cfg Config) *Client {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.ClientSecret == nil {
		cfg.ClientSecret = func(context.Context) (string, error) { return "", nil }
	}
	c := &Client{cfg: cfg, http: newHTTPClient(cfg.HTTPClient, cfg.Stay), profile: profileOf(cfg.Issuer)}
	c.reader = reader{c.profile, cfg.GroupsClaim, cfg.TrustEmail}
	if cfg.GroupsClaim == "" {
		c.reader.groupsClaim = "groups"
	}
	c.name = c.profile.name
	if c.name == "" {
		c.name = "the provider"
		if u, err := url.Parse(cfg.Issuer); err == nil && u.Host != "" {
			c.name = "the provider at " + clean(u.Host)
		}
	}
	return c
}

// Close lets go of connections that nobody uses. Requests in progress go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// AuthURL returns where to send the browser (OpenID Connect Core 1.0 §3.1.2.1).
// It discovers the provider if that is not known. Of the verifier only its S256
// challenge is sent (RFC 7636 §4.2).
func (c *Client) AuthURL(ctx context.Context, req oauth.UpstreamRequest) (string, error) {
	m, err := c.discovered(ctx)
	if err != nil {
		return "", err
	}
	// RFC 8707's resource is never sent on: it names our server, which the
	// provider has not heard of, and Entra refuses it.
	options := []oauth2.AuthCodeOption{oidc.Nonce(req.Nonce), oauth2.S256ChallengeOption(req.Verifier)}
	for name, value := range c.profile.authorize {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	if prompt := c.prompt(req.Prompt); prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	if req.LoginHint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", req.LoginHint))
	}
	if c.cfg.Audience != "" && c.profile.sendsAudience {
		options = append(options, oauth2.SetAuthURLParam("audience", c.cfg.Audience))
	}
	conf := oauth2.Config{ClientID: c.cfg.ClientID, Endpoint: m.oidc.Endpoint(), RedirectURL: c.cfg.RedirectURI, Scopes: c.scopes(m)}
	return conf.AuthCodeURL(req.State, options...), nil
}

// scopes are those asked for: the configured ones, with openid, and without
// offline_access where the provider would refuse it.
func (c *Client) scopes(m *metadata) []string {
	scopes := []string{oidc.ScopeOpenID}
	for _, s := range c.cfg.Scopes {
		unwelcome := s == oidc.ScopeOfflineAccess && (c.profile.noOfflineAccess ||
			c.profile.name == "" && m.ScopesSupported != nil && !slices.Contains(m.ScopesSupported, s))
		if !unwelcome && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// prompt adds what the provider needs to what was asked for.
func (c *Client) prompt(asked string) string {
	if c.profile.prompt == "" || asked == "none" || slices.Contains(strings.Fields(asked), c.profile.prompt) {
		return asked
	}
	return strings.TrimSpace(asked + " " + c.profile.prompt)
}
