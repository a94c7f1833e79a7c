package server

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/endpoints"
	"github.com/drawbridge-app/drawbridge/server/internal/identity"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// parts is what stands once the data key and the address are known: the rules,
// what they are told by, and the handlers in front of them.
type parts struct {
	base      string // public URL, no slash at the end
	grants    *oauth.Grants
	provider  *idp.Client
	endpoints *endpoints.Endpoints
	documents *authserver.Documents
	signIns   *serverauth.SignIns // at mounted servers
	vouching  []*idp.Client       // providers whose assertions count, beside provider
	handlers  handlers

	providerLost chan struct{} // holds one: the provider has just been lost
}

func (p *parts) mcpURL() string { return p.base + endpoints.Path }

// build puts together what serves cfg under base, and on the listener at local.
// Its errors are sentences.
func (a *app) build(cfg config.Config, base, local string, health http.HandlerFunc) (*parts, error) {
	o, keys := a.opts, a.unlocked()
	p := &parts{base: base, providerLost: make(chan struct{}, 1)}
	network := o.network(cfg.Network)
	p.provider = idp.New(a.idpConfig(cfg, base, a.providerChanged(p.providerLost)))
	var err error
	p.grants, err = oauth.New(oauth.Options{
		DataKey: keys.dataKey, Resources: []string{p.mcpURL()}, Issuer: cfg.IDP.Issuer, Scopes: cfg.IDP.Scopes,
		Redirects: redirects(cfg, base, local), StaticClientID: cfg.IDP.ClientID, NoRegistration: !cfg.Clients.Registration,
		Access: accessList(cfg.Access), AccessTTL: cfg.Tokens.Access, RefreshTTL: cfg.Tokens.Refresh,
		Trusted: cfg.Trusted(), AssertedTTL: cfg.Enterprise.Access, Provider: p.provider, Saver: keys.journal, Recorder: keys.journal, Now: o.Now, Log: o.Log,
		Ended: func(reasons map[string]string) {
			for session, reason := range reasons {
				a.timeline.Ended(session, reason)
			}
			if p.endpoints != nil { // else nobody has used them yet
				p.endpoints.EndSessions(func(session string) bool { _, over := reasons[session]; return over })
			}
		},
	}, a.db)
	if err != nil {
		return nil, err
	}
	limit.Pace() // there may be many of them
	signer, err := identity.New(keys.dataKey, base, o.Now)
	if err != nil {
		return nil, err
	}
	p.signIns, err = serverauth.New(serverauth.Options{Base: base, Loopback: a.loopback, DataKey: keys.dataKey, Keystore: o.Keystore, Saver: keys.journal, Records: a.db,
		Network: network, Changed: func(string) { a.board.Wake() },
		Told: func(session, server, asked string) { p.endpoints.Elicited(session, server, asked) }, Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err
	}
	p.signIns.SetAccess(accessList(cfg.Access))
	p.endpoints, err = endpoints.New(endpoints.Options{Base: base, Config: cfg, File: o.mcpFile(),
		Grants: p.grants, Journal: keys.journal, Records: a.db, DataKey: keys.dataKey, Identity: signer, Secret: a.serverSecret, SignIns: p.signIns, Network: network,
		Paused: a.paused.Load, Page: index(base), Timeline: a.timeline, Calls: &a.calls, AskWait: o.AskWait, Wake: a.board.Wake, Version: o.Version, Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err
	}
	p.documents = authserver.NewDocuments(cmp.Or(o.Documents, network.Public()), o.Now)
	auth := authserver.New(authserver.Options{
		Issuer: base, Assertions: a.assertions(cfg, p), MCPURL: p.mcpURL(), Scopes: cfg.IDP.Scopes, Grants: p.grants, Provider: p.provider,
		ProviderIssuer: cfg.IDP.Issuer, NoRegistration: !cfg.Clients.Registration,
		NoDocuments: !cfg.Clients.MetadataDocuments, Documents: p.documents, Recorder: keys.journal, DryRun: &a.dryRun, SignIns: p.signIns, JWKS: signer.JWKS(), Now: o.Now, Log: o.Log})
	p.handlers, err = routes(base, local, p.endpoints, auth, a.timeline, health)
	return p, err
}

// assertions are those that cfg trusts; nil if none.
func (a *app) assertions(cfg config.Config, p *parts) authserver.Assertions {
	if !cfg.Enterprise.Enabled {
		return nil
	}
	var trusted []*idp.Client
	for _, issuer := range cfg.Trusted() {
		provider := p.provider
		if issuer != cfg.IDP.Issuer {
			another := a.idpConfig(cfg, p.base, nil)
			another.Issuer = issuer
			provider = idp.New(another)
			p.vouching = append(p.vouching, provider)
		}
		trusted = append(trusted, provider)
	}
	return idp.NewAssertions(p.base, trusted...)
}

// idpConfig is the provider as the configuration names it.
func (a *app) idpConfig(cfg config.Config, base string, changed func(status.IDP)) idp.Config {
	return idp.Config{Issuer: cfg.IDP.Issuer, ClientID: cfg.IDP.ClientID, Audience: cfg.IDP.Audience, Scopes: cfg.IDP.Scopes,
		HTTPClient: a.opts.network(cfg.Network).Client(providerTime), GroupsClaim: cfg.IDP.GroupsClaim, TrustEmail: cfg.IDP.TrustEmail, Tenants: cfg.IDP.Tenants,
		RedirectURI: authserver.RedirectURI(base), ClientSecret: a.unlocked().secret, OnChange: changed, Now: a.opts.Now, Log: a.opts.Log}
}

// run does what goes on beside requests, until ctx ends.
func (p *parts) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { p.grants.Run(ctx) })
	wg.Go(func() { p.watchProvider(ctx) })
	wg.Go(func() { p.endpoints.Watch(ctx) })
	wg.Wait()
}

func (p *parts) close() {
	p.endpoints.Close()
	p.grants.Close()
	p.signIns.Close()
	for _, provider := range append(p.vouching, p.provider) {
		provider.Close()
	}
}

// watchProvider asks for the provider at start, and again while it is away, so
// that its return is noticed before somebody has to try. Discovery alone does
// not tell: what was lost may be the token endpoint.
func (p *parts) watchProvider(ctx context.Context) {
	const soonest, latest = 2 * time.Second, 5 * time.Minute
	_ = p.provider.Check(ctx) // its state tells how it went
	pause := soonest
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.providerLost:
			pause = soonest
			continue
		case <-time.After(pause):
		}
		if p.provider.State().State != status.IDPUnreachable {
			pause = latest // a loss is told at once
			continue
		}
		_ = p.provider.CheckClient(ctx)
		pause = min(2*pause, latest)
	}
}

// providerChanged tells when the provider is lost and found.
func (a *app) providerChanged(told chan<- struct{}) func(status.IDP) {
	lost := false
	return func(st status.IDP) {
		switch {
		case st.State == status.IDPOK && lost:
			lost = false
			a.record(status.Event{Type: status.ProviderBack, Outcome: status.OK, Reason: st.Issuer})
		case st.State == status.IDPUnreachable && !lost:
			lost = true
			a.record(status.Event{Type: status.ProviderLost, Outcome: status.Failed, Reason: st.Error})
			select {
			case told <- struct{}{}:
			default:
			}
		}
		a.board.Wake()
	}
}

// redirects is where answers may be sent.
func redirects(cfg config.Config, base, local string) oauth.RedirectPolicy {
	p := oauth.RedirectPolicy{URIs: cfg.Clients.RedirectURIs, Own: []string{strings.TrimPrefix(local, "http://")}}
	if p.URIs == nil {
		p.URIs, p.Loopback = config.WellKnownRedirectURIs(), true
	}
	p.URIs = append(p.URIs[:len(p.URIs):len(p.URIs)], cfg.Clients.Allowed...)
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
