// Package authserver is the HTTP face of Drawbridge's authorization server: it
// reads requests, asks [oauth.Grants] for what the rules say, and writes the
// answer. It decides nothing about grants and keeps none. Start at [Server];
// each endpoint has a file of its own, and every refusal leaves by way of
// answer.go.
package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Provider is the OpenID provider as a sign-in needs it. Its errors are
// [*oauth.ProviderError].
type Provider interface {
	// AuthURL is where to send the browser (OpenID Connect Core §3.1.2.1).
	AuthURL(ctx context.Context, up oauth.UpstreamRequest) (string, error)
	// Exchange redeems the provider's code and verifies who came back.
	Exchange(ctx context.Context, upstreamCode string, up oauth.UpstreamRequest) (oauth.Upstream, error)
	// Explain turns the provider's error at our callback into a sentence.
	Explain(code, description string) *oauth.ProviderError
	// Revoke gives back a refresh token that is not needed; "" is none.
	Revoke(ctx context.Context, refreshToken string) error
}

// Assertions verifies what a trusted provider says of a person to a client.
type Assertions interface {
	Verify(ctx context.Context, assertion, client string) (oauth.Assertion, error)
}

// DryRun is a sign-in that Setup tries, and that makes no grant.
type DryRun interface {
	// Callback takes the provider's answer if its state is the dry run's, and
	// returns where the browser goes on to; "" if it is not.
	Callback(ctx context.Context, answer url.Values) (back string)
}

// Options is what a [Server] is made of.
type Options struct {
	Issuer         string // our public URL, no slash at the end
	MCPURL         string // for people: on pages
	Scopes         []string
	Grants         *oauth.Grants
	Provider       Provider
	DryRun         DryRun     // nil: none is ever under way
	Assertions     Assertions // nil: people sign in by the consent page alone
	SignIns        SignIns    // at mounted servers; nil: there are none
	ProviderIssuer string     // compared with the iss of the provider's answer (RFC 9207 §2.4)
	NoRegistration bool
	NoDocuments    bool // metadata documents are not offered, so that clients register
	Documents      *Documents
	Recorder       oauth.Recorder
	JWKS           []byte // the JWK set of /.well-known/jwks.json
	Now            func() time.Time
	Log            *slog.Logger
}

// Server answers the authorization server's paths.
type Server struct {
	Options
	assertions *oauth.Once // of private_key_jwt
	guesses    sync.Map    // client id → *limit.Limit of wrong secrets
}

// New returns a server. It starts nothing.
func New(o Options) *Server {
	return &Server{Options: o, assertions: oauth.NewOnce(maxReplays, maxReplaysEach)}
}

// redirectPath is where the provider sends the browser back to.
const redirectPath = "/auth/callback"

// RedirectURI is what a person enters at the provider.
func RedirectURI(issuer string) string { return issuer + redirectPath }

// remote is the address a request came from.
func remote(r *http.Request) string { return limit.Address(r.RemoteAddr) }

// actor is whom that address counts as.
func actor(r *http.Request) netip.Prefix { return limit.Actor(remote(r)) }
