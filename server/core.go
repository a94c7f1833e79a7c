package server

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/identity"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// core is what stands once the data key is known: the rules, what they are
// told by, and the handler in front of them.
type core struct {
	store    *oauth.Grants
	journal  *store.Journal
	provider *idp.Client
	builtin  *builtin.Server
	mounts   *mounts
	guards   []*resource.Guard
	handlers handlers
	base     string // public URL, no slash at the end

	providerLost chan struct{} // holds one: the provider has just been lost
}

// newCore builds the parts that serve under base. Its errors are sentences.
func (t *site) newCore(base string) (*core, error) {
	s, cfg, v := t.app, t.config(), t.app.opened()
	o := s.opts
	c := &core{base: base, journal: v.journal, providerLost: make(chan struct{}, 1)}
	servers, mistake := t.readServers()
	var err error
	c.provider = idp.New(t.idpConfig(base, s.providerChanged(c)))
	c.store, err = oauth.New(oauth.Options{
		DataKey: v.dataKey, Resources: resources(base, servers), Issuer: cfg.IDP.Issuer, Scopes: cfg.IDP.Scopes,
		Redirects: t.redirects(base), StaticClientID: cfg.IDP.ClientID, NoRegistration: !cfg.Clients.Registration,
		Access:    accessList(cfg.Access),
		AccessTTL: cfg.Tokens.Access, RefreshTTL: cfg.Tokens.Refresh,
		Provider: c.provider, Saver: c.journal, Recorder: c.journal, Ended: func(session string) { s.timeline.Ended(session); c.ended(session) }, Now: o.Now, Log: o.Log,
	}, s.db)
	if err != nil {
		return nil, err
	}
	c.builtin = builtin.New(tools(cfg))
	signer, err := identity.New(v.dataKey, base, o.Now)
	if err != nil {
		return nil, err
	}
	if c.mounts, err = t.newMounts(c, signer); err != nil {
		return nil, err
	}
	c.mounts.problem = mistake
	c.mounts.apply(servers)
	auth := authserver.New(authserver.Options{
		Issuer: base, MCPURL: base + mcpPath, Scopes: cfg.IDP.Scopes, Grants: c.store, Provider: upstream{c.provider},
		ProviderIssuer: cfg.IDP.Issuer, NoRegistration: !cfg.Clients.Registration,
		Documents: authserver.NewDocuments(o.Documents, o.Now), Recorder: c.journal, DryRun: &s.dryRun, JWKS: signer.JWKS(), Now: o.Now, Log: o.Log})
	if c.handlers, err = t.routes(c, auth); err != nil {
		return nil, err
	}
	return c, nil
}

// idpConfig is the provider as the configuration names it.
func (t *site) idpConfig(base string, changed func(status.IDP)) idp.Config {
	cfg, s := t.config(), t.app
	return idp.Config{Issuer: cfg.IDP.Issuer, ClientID: cfg.IDP.ClientID, Audience: cfg.IDP.Audience, Scopes: cfg.IDP.Scopes,
		GroupsClaim: cfg.IDP.GroupsClaim, TrustEmail: cfg.IDP.TrustEmail, Tenants: cfg.IDP.Tenants,
		RedirectURI: authserver.RedirectURI(base), ClientSecret: s.opened().secret, OnChange: changed, Now: s.opts.Now, Log: s.opts.Log}
}

// run does what goes on beside requests, until ctx ends.
func (c *core) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { c.store.Run(ctx) })
	wg.Go(func() { c.watchProvider(ctx) })
	wg.Go(func() { c.mounts.watch(ctx) })
	wg.Wait()
}

// watchProvider asks for the provider at start, and again while it is away, so
// that its return is noticed before somebody has to try. Discovery alone does
// not tell: what was lost may be the token endpoint.
func (c *core) watchProvider(ctx context.Context) {
	const soonest, latest = 2 * time.Second, 5 * time.Minute
	_ = c.provider.Check(ctx) // its state tells how it went
	pause := soonest
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.providerLost:
			pause = soonest
			continue
		case <-time.After(pause):
		}
		if c.provider.State().State != status.IDPUnreachable {
			pause = latest // a loss is told at once
			continue
		}
		_ = c.provider.CheckClient(ctx)
		pause = min(2*pause, latest)
	}
}

func (c *core) close() {
	c.mounts.close()
	for _, g := range c.guards {
		g.Close()
	}
	c.provider.Close()
}

// ended drops the transport sessions of a session that is over. None end while
// the parts are still being put together but those that nobody has used yet.
func (c *core) ended(session string) {
	if c.mounts != nil {
		c.mounts.ended(session)
	}
}

// called is what is told of each tool call; refusal is why it never reached its
// server.
func (c *core) called(who *oauth.Caller, tool string, err error, refusal string) {
	c.store.UsedTool(who.Session, tool)
	e := status.Event{Type: status.ToolCalled, Outcome: status.OK, User: who.User.Email, Client: who.Client.Name, Session: who.Session, Tool: tool, Reason: tool, Remote: who.Remote}
	if e.User == "" {
		e.User = who.User.Sub
	}
	switch {
	case refusal != "":
		e.Outcome, e.Reason = status.Refused, tool+": "+refusal
	case err != nil:
		e.Outcome = status.Failed
	}
	c.journal.Record(e)
}

// providerChanged tells when the provider is lost and found.
func (s *Server) providerChanged(c *core) func(status.IDP) {
	lost := false
	return func(st status.IDP) {
		switch {
		case st.State == status.IDPOK && lost:
			lost = false
			c.journal.Record(status.Event{Type: status.ProviderBack, Outcome: status.OK, Reason: st.Issuer})
		case st.State == status.IDPUnreachable && !lost:
			lost = true
			c.journal.Record(status.Event{Type: status.ProviderLost, Outcome: status.Failed, Reason: st.Error})
			select {
			case c.providerLost <- struct{}{}:
			default:
			}
		}
		s.board.Wake()
	}
}

// redirects is where answers may be sent.
func (t *site) redirects(base string) oauth.RedirectPolicy {
	p := oauth.RedirectPolicy{URIs: t.config().Clients.RedirectURIs, Own: []string{strings.TrimPrefix(t.local, "http://")}}
	if p.URIs == nil {
		p.URIs, p.Loopback = config.WellKnownRedirectURIs(), true
	}
	p.URIs = append(p.URIs[:len(p.URIs):len(p.URIs)], t.config().Clients.Allowed...)
	if u, err := url.Parse(base); err == nil {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		p.Own = append(p.Own, u.Hostname()+":"+port)
	}
	return p
}

func accessList(a config.Access) oauth.AccessList {
	return oauth.AccessList{Emails: a.Emails, Domains: a.Domains, Groups: a.Groups, Anyone: a.Anyone}
}

// upstream is the provider as authserver asks for it.
type upstream struct{ *idp.Client }

func (u upstream) AuthURL(ctx context.Context, up oauth.UpstreamRequest, loginHint string) (string, error) {
	return u.Client.AuthURL(ctx, idp.AuthRequest{State: up.State, Nonce: up.Nonce, Verifier: up.Verifier, LoginHint: loginHint})
}

func (u upstream) Exchange(ctx context.Context, upstreamCode string, up oauth.UpstreamRequest) (oauth.Upstream, error) {
	return u.Client.Exchange(ctx, upstreamCode, up.Verifier, up.Nonce)
}

func tools(cfg config.Config) builtin.Tools {
	return builtin.Tools{Echo: cfg.Tools.Echo, Add: cfg.Tools.Add, Whoami: cfg.Tools.Whoami}
}
