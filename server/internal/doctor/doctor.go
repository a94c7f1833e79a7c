// Package doctor looks at everything a sign-in needs, in the order in which it
// is needed, and says of each what it found and what to do. It changes nothing
// and shows no secret. Start at [Run].
package doctor

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Provider is the OpenID provider as the checks need it.
type Provider interface {
	// Check fetches discovery and keys anew.
	Check(ctx context.Context) error
	// LeftOut says which keys that found and could not read.
	LeftOut() []string
	// CheckClient asks whether the provider takes our client id and secret.
	CheckClient(ctx context.Context) error
	// CheckRedirect asks whether the provider knows our redirect URI.
	CheckRedirect(ctx context.Context) (idp.RedirectKnown, error)
}

// Patient is what gets looked at.
type Patient struct {
	Config      config.Config
	Keystore    keystore.Store
	Provider    Provider
	Network     *outbound.Network // nil: the environment's
	PublicURL   string            // no slash at the end
	RedirectURI string
	Running     bool // by this process: only then can the public URL answer

	// What only a running Drawbridge knows.
	Tunnel status.Tunnel
	Front  func(context.Context) tunnel.Finding // looks at the public URL from outside

	// Clients are those that somebody has signed in with, or that were added.
	Clients []status.Client

	// Documents is which clients' metadata documents can't be had while their old
	// copies count, a sentence each.
	Documents []string

	// Servers is the mounted ones; Mistake is what is wrong with mcp.json.
	Servers []Server
	Mistake error
	Notes   []string // what is odd about what the servers offer, a sentence each
}

// Server is a mounted server. Look starts it if need be, and returns how many
// tools it has; nil where nothing runs that could.
type Server struct {
	Name string
	Off  bool
	Look func(context.Context) (tools int, err error)
}

// checkTime is how long one check may take.
const checkTime = 10 * time.Second

// NotSetUp is what there is to say while there is no configuration to work with,
// for the reason given.
func NotSetUp(reason string) []status.Check {
	list := []status.Check{{Name: "configuration", Result: "Drawbridge is not set up", Cure: reason}}
	for _, name := range []string{"access list", "keychain", "provider", "redirect URI", "audience", "tunnel", "public URL", "mounted servers"} {
		list = append(list, status.Check{Name: name, OK: true, Result: "not checked: Drawbridge is not set up"})
	}
	return list
}

// Run makes every check and returns one line for each.
func Run(ctx context.Context, p Patient) []status.Check {
	var list []status.Check
	for _, c := range []struct {
		name string
		look func(context.Context) (result, cure string)
	}{
		{"configuration", p.configuration},
		{"access list", p.access},
		{"keychain", p.keychain},
		{"network", p.wayOut},
		{"provider", p.provider},
		{"redirect URI", p.redirectURI},
		{"audience", p.audience},
		{"tunnel", p.lookAtTunnel},
		{"public URL", p.publicURL},
		{"sign-in without a page", p.pageless},
	} {
		if c.name == "sign-in without a page" && len(p.Config.Trusted()) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		result, cure := c.look(ctx)
		cancel()
		list = append(list, status.Check{Name: c.name, OK: cure == "", Result: result, Cure: cure})
	}
	return append(list, p.servers(ctx)...)
}

func (p Patient) configuration(context.Context) (string, string) {
	if missing := p.Config.Missing(); len(missing) > 0 {
		return "it lacks " + strings.Join(missing, ", "), "Run `drawbridge setup`."
	}
	if p.PublicURL == "" {
		return "issuer " + p.Config.IDP.Issuer + "; the MCP URL is the one that the tunnel gives", ""
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
		return "nobody may sign in", "Say who may in Setup, or run `drawbridge setup`."
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

// wayOut looks at the way out, if it is not a direct one: whether there is a
// proxy where one should be is what the checks of provider and tunnel show.
func (p Patient) wayOut(ctx context.Context) (string, string) {
	way := p.Network.Describe()
	if err := p.Network.Broken(); err != nil {
		return "it can't be used as configured", err.Error()
	}
	u, err := url.Parse(p.Config.IDP.Issuer)
	if way == "" || err != nil || u.Scheme != "https" {
		return cmp.Or(way, "direct"), ""
	}
	conn, err := p.Network.Dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		if why := outbound.Why(err); why != nil {
			return way + ": it leads nowhere", why.Error()
		}
		return way + ": it leads nowhere", "Compare the company network in Setup with what whoever runs this network says."
	}
	_ = conn.Close()
	return way, ""
}

func (p Patient) provider(ctx context.Context) (string, string) {
	err, what := p.Provider.Check(ctx), "it can't be used"
	if err == nil {
		err, what = p.Provider.CheckClient(ctx), "it does not take Drawbridge's client id and secret"
	}
	if err != nil {
		var pe *oauth.ProviderError
		if errors.As(err, &pe) {
			return what, pe.Message
		}
		return what, err.Error()
	}
	result := "discovery, keys and token endpoint of " + p.Config.IDP.Issuer + " are good"
	if left := p.Provider.LeftOut(); len(left) > 0 {
		result += "; left out, since it can't be used: " + strings.Join(left[:min(len(left), 3)], ", ")
	}
	return result, ""
}

func (p Patient) redirectURI(ctx context.Context) (string, string) {
	if p.PublicURL == "" {
		return "not checked: it begins with the URL that the tunnel gives", ""
	}
	known, err := p.Provider.CheckRedirect(ctx)
	var pe *oauth.ProviderError
	switch {
	case oauth.IsProviderError(err, oauth.ProviderUnreachable):
		return "not checked, since the provider did not answer; it must be " + p.RedirectURI, ""
	case errors.As(err, &pe) && known == idp.RedirectYes:
		return "the provider knows " + p.RedirectURI + " but refuses the request (" + pe.Code + ")", pe.Message
	case errors.As(err, &pe) && known == idp.RedirectRefused:
		return "the provider refuses client id or redirect URI", pe.Message
	case err != nil:
		return "not checked, since the provider can't be used; it must be " + p.RedirectURI, ""
	case known == idp.RedirectYes:
		return "the provider accepts " + p.RedirectURI, ""
	}
	return "the provider doesn't say; it must be " + p.RedirectURI, ""
}

func (p Patient) audience(context.Context) (string, string) {
	if p.Config.IDP.Audience == "" {
		return "none asked for: the provider's access token is not looked into", ""
	}
	return "each sign-in must bring an access token for " + p.Config.IDP.Audience, ""
}

func (p Patient) lookAtTunnel(ctx context.Context) (string, string) {
	if !p.Running {
		return p.idleTunnel(ctx)
	}
	t := p.Tunnel
	switch {
	case t.State == tunnel.Off && t.Since.IsZero():
		return "none: " + p.PublicURL + " must reach this computer by other means", ""
	case t.State == tunnel.Off:
		return "closed while Drawbridge is paused", ""
	case t.State == tunnel.Up:
		return "open at " + t.URL + " since " + t.Since.Local().Format(time.DateTime), ""
	case t.Error == "":
		return t.State, "Wait a moment, and look again."
	case !t.NextAttempt.IsZero():
		return t.State, t.Error + ". The next attempt is at " + t.NextAttempt.Local().Format(time.TimeOnly) + "."
	}
	return t.State, t.Error
}

// idleTunnel looks at what a tunnel would need.
func (p Patient) idleTunnel(ctx context.Context) (string, string) {
	token, err := p.Keystore.Get(ctx, keystore.NgrokAuthtoken)
	if p.Config.TunnelProvider(err == nil && !token.IsZero()) != config.TunnelNgrok {
		return "none: " + p.PublicURL + " must reach this computer by other means", ""
	}
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return "ngrok, but there is no authtoken", "Copy yours from dashboard.ngrok.com/get-started/your-authtoken and store it with `drawbridge setup`."
	case err != nil:
		return "ngrok, but the authtoken can't be read", err.Error()
	}
	return "ngrok, opened when Drawbridge runs", ""
}

// publicURL asks at the public URL, as a client would.
func (p Patient) publicURL(ctx context.Context) (string, string) {
	switch {
	case !p.Running:
		return "not checked: Drawbridge is not running", ""
	case p.Tunnel.State != tunnel.Up && p.Tunnel.State != tunnel.Off, p.Tunnel.State == tunnel.Off && !p.Tunnel.Since.IsZero():
		return "not checked: the tunnel is not open", ""
	}
	found := p.Front(ctx)
	if found.Note != "" {
		return found.Result + ". " + found.Note, found.Cure
	}
	return found.Result, found.Cure
}
