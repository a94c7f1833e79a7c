package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// core is what stands once the data key is known: the rules, what they are
// told by, and the handler in front of them.
type core struct {
	store    *oauth.Store
	journal  *store.Journal
	provider *idp.Client
	gateway  *gateway.Gateway
	guards   []*resource.Guard
	handlers handlers
	base     string // public URL, no slash at the end

	providerLost chan struct{} // holds one: the provider has just been lost
}

// unlock reads the keys from the keychain, opens the state file with them, and
// learns whether there is a tunnel. Its errors are sentences. It may be called
// again after one.
func (s *Server) unlock(ctx context.Context) error {
	dataKey, err := s.readDataKey(ctx)
	if err != nil {
		return err
	}
	secret, err := s.clientSecret(ctx)
	if err != nil {
		return err
	}
	if err := s.db.Unseal(dataKey); err != nil {
		return err
	}
	if err := s.loadSettings(); err != nil {
		return err
	}
	if err := s.prepareTunnel(ctx); err != nil {
		return err
	}
	if s.journal, err = store.OpenJournal(s.db, s.board, s.opts.Log); err != nil {
		return err
	}
	s.dataKey, s.secret = dataKey, secret
	close(s.unlocked)
	return nil
}

// newCore builds the parts that serve under base. Its errors are sentences.
func (s *Server) newCore(base string) (*core, error) {
	o := s.opts
	c := &core{base: base, journal: s.journal, providerLost: make(chan struct{}, 1)}
	var err error
	c.provider = idp.New(idp.Config{Issuer: o.Config.IDP.Issuer, ClientID: o.Config.IDP.ClientID, Audience: o.Config.IDP.Audience,
		Scopes: o.Config.IDP.Scopes, RedirectURI: authserver.RedirectURI(base), ClientSecret: s.secret,
		OnChange: s.providerChanged(c), Now: o.Now, Log: o.Log})
	c.store, err = oauth.New(oauth.Options{
		DataKey: s.dataKey, Resources: []string{base + mcpPath}, Issuer: o.Config.IDP.Issuer, Scopes: o.Config.IDP.Scopes,
		Redirects: s.redirects(base), StaticClientID: o.Config.IDP.ClientID, NoRegistration: !o.Config.Clients.Registration,
		Access:    accessList(o.Config.Access),
		AccessTTL: o.Config.Tokens.Access, RefreshTTL: o.Config.Tokens.Refresh,
		Provider: c.provider, Saver: c.journal, Recorder: c.journal, Ended: c.ended, Now: o.Now, Log: o.Log,
	}, s.db)
	if err != nil {
		return nil, err
	}
	c.gateway, err = gateway.New(gateway.Options{Name: "drawbridge", Version: s.version(),
		Tools:  gateway.Tools{Echo: o.Config.Tools.Echo, Add: o.Config.Tools.Add, Whoami: o.Config.Tools.Whoami},
		OnCall: c.called, Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err
	}
	jwks, err := publicKeys(s.dataKey)
	if err != nil {
		return nil, err
	}
	auth := authserver.New(authserver.Options{
		Issuer: base, MCPURL: base + mcpPath, Scopes: o.Config.IDP.Scopes, Store: c.store, Provider: upstream{c.provider},
		ProviderIssuer: o.Config.IDP.Issuer, NoRegistration: !o.Config.Clients.Registration,
		Documents: authserver.NewDocuments(o.Documents, o.Now), Recorder: c.journal, JWKS: jwks, Now: o.Now, Log: o.Log})
	if c.handlers, err = s.routes(c, auth); err != nil {
		return nil, err
	}
	return c, nil
}

// run does what goes on beside requests, until ctx ends.
func (c *core) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { c.store.Run(ctx) })
	wg.Go(func() { c.watchProvider(ctx) })
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
	c.gateway.Close()
}

// ended drops the transport sessions of a session that is over. None end while
// the parts are still being put together but those that nobody has used yet.
func (c *core) ended(session string) {
	if c.gateway != nil {
		c.gateway.EndSession(session)
	}
}

// called is what the gateway tells of each tool call.
func (c *core) called(who *oauth.Caller, tool string, err error) {
	c.store.UsedTool(who.Session, tool)
	e := status.Event{Type: status.ToolCalled, Outcome: status.OK, User: who.User.Email, Client: who.Client.Name, Session: who.Session, Tool: tool, Reason: tool, Remote: who.Remote}
	if e.User == "" {
		e.User = who.User.Sub
	}
	if err != nil {
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

// clientSecret returns a function that reads the provider's client secret each
// time it is needed, so that a new one counts at once, and falls back to the
// last one while the keychain is locked. None at all means a public client.
func (s *Server) clientSecret(ctx context.Context) (func(context.Context) (string, error), error) {
	last, err := s.opts.Keystore.Get(ctx, keystore.IDPClientSecret)
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return nil, err
	}
	var mu sync.Mutex // guards last
	return func(ctx context.Context) (string, error) {
		now, err := s.opts.Keystore.Get(ctx, keystore.IDPClientSecret)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			last = now
		}
		return last.Reveal(), nil
	}, nil
}

// readDataKey returns the key that everything else is sealed and signed under. A
// new data folder gets a new key; one that holds records never does, since they
// would be lost by it.
func (s *Server) readDataKey(ctx context.Context) ([]byte, error) {
	secret, err := s.opts.Keystore.Get(ctx, keystore.DataKey)
	if errors.Is(err, keystore.ErrNotFound) {
		return s.newDataKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(secret.Reveal()))
	if err != nil || len(key) != 32 {
		return nil, errors.New("the data key (keychain account data-key, or DRAWBRIDGE_DATA_KEY) is not the base64 of 32 bytes. Make one with: openssl rand -base64 32")
	}
	return key, nil
}

func (s *Server) newDataKey(ctx context.Context) ([]byte, error) {
	empty, err := s.db.Empty()
	if err != nil {
		return nil, err
	}
	if !empty {
		return nil, fmt.Errorf("the data key is gone from the keychain (service drawbridge, account data-key), so the sessions in %s can't be read. Put the key back; or, to begin with no sessions, move that folder away and start again", s.opts.DataDir)
	}
	key := randomKey()
	err = s.opts.Keystore.Set(ctx, keystore.DataKey, keystore.NewSecret(base64.StdEncoding.EncodeToString(key)))
	if keystore.IsKind(err, keystore.ReadOnly) {
		return nil, errors.New("DRAWBRIDGE_DATA_KEY is not set. Make a key once with `openssl rand -base64 32`, keep it, and set it each time Drawbridge starts")
	}
	return key, err
}

// redirects is where answers may be sent.
func (s *Server) redirects(base string) oauth.RedirectPolicy {
	p := oauth.RedirectPolicy{URIs: s.opts.Config.Clients.RedirectURIs, Own: []string{s.public.Addr().String()}}
	if p.URIs == nil {
		p.URIs, p.Loopback = config.WellKnownRedirectURIs(), true
	}
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
