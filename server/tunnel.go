package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// bridge is the way in from the internet and the address that clients know. The
// address is the person's to change, never the provider's.
type bridge struct {
	front tunnel.Front
	ask   string // the URL to ask the provider for; "" takes the account's own

	mu       sync.Mutex     // guards all below
	keeper   *tunnel.Keeper // nil without a tunnel, or before it is known whether there is one
	base     string         // public URL, no slash at the end; "" until the tunnel has given the first one
	known    chan struct{}  // closed once base is known
	remember string         // base as it was saved
	offered  string         // another URL that the provider gives, and that nobody has accepted
	rebuild  chan struct{}  // holds one: base was changed
	recorded status.Event   // the latest event about the tunnel
}

func newBridge(base string) *bridge {
	return &bridge{base: base, known: make(chan struct{}), rebuild: make(chan struct{}, 1)}
}

// address is the public URL, "" while it is not known.
func (b *bridge) address() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.base
}

// running is the tunnel; nil without one.
func (b *bridge) running() *tunnel.Keeper {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keeper
}

// settle makes base the address that clients know.
func (b *bridge) settle(base string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.base, b.offered = base, ""
	select {
	case <-b.known:
	default:
		if base != "" {
			close(b.known)
		}
	}
}

// urlSetting is where the address stands that clients know.
const urlSetting = "url"

// prepareTunnel decides who brings the internet here and under what address.
// The state file is open. It returns an error of the keystore if that has to
// be asked and can't be.
func (t *site) prepareTunnel(ctx context.Context) error {
	s, cfg, b := t.app, t.config(), t.bridge
	b.remember = s.opened().url
	if cfg.TunnelProvider(true) != config.TunnelNgrok {
		b.settle(t.plainURL())
		return nil
	}
	if cfg.TunnelProvider(false) != config.TunnelNgrok { // then an authtoken decides
		_, err := s.opts.Keystore.Get(ctx, keystore.NgrokAuthtoken)
		if errors.Is(err, keystore.ErrNotFound) {
			b.settle(t.plainURL())
			return nil
		}
		if err != nil {
			return err
		}
	}
	switch {
	case cfg.Tunnel.Domain != "":
		b.ask = "https://" + strings.ToLower(cfg.Tunnel.Domain)
	case cfg.PublicURL != "":
		b.ask = cfg.PublicURL
	}
	base := cfg.PublicURL
	if base == "" {
		base = b.ask
	}
	if base == "" {
		base = b.remember
	}
	b.settle(base)
	keeper := tunnel.New(tunnel.Options{
		Provider: tunnel.Ngrok{Authtoken: s.authtoken, ConnectURL: cfg.Tunnel.ConnectURL, ConnectCAs: cfg.Tunnel.ConnectCAs, Version: s.version()},
		URL:      b.ask, Admit: t.admit, OnChange: t.tunnelChanged,
		NewServer: func() *http.Server { return s.httpServer(t.bridge.front.Wrap(http.HandlerFunc(t.serveTunnel))) },
		Look:      func(ctx context.Context) tunnel.Finding { return b.front.Look(ctx, b.address()) },
		Now:       s.opts.Now, Log: s.opts.Log})
	if s.paused.Load() {
		keeper.Pause()
	}
	b.mu.Lock()
	b.keeper = keeper
	b.mu.Unlock()
	return nil
}

// plainURL is what clients see without a tunnel.
func (t *site) plainURL() string {
	if url := t.config().PublicURL; url != "" {
		return url
	}
	return t.local
}

// authtoken reads ngrok's authtoken.
func (s *Server) authtoken(ctx context.Context) (string, error) {
	secret, err := s.opts.Keystore.Get(ctx, keystore.NgrokAuthtoken)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return "", &tunnel.Error{Fatal: true, Msg: "there is no ngrok authtoken. Copy yours from dashboard.ngrok.com/get-started/your-authtoken and store it with `drawbridge setup` (or set " +
			keystore.EnvVar(keystore.NgrokAuthtoken) + "), then run `drawbridge tunnel retry`"}
	case err != nil:
		return "", &tunnel.Error{Msg: err.Error()}
	}
	return strings.TrimSpace(secret.Reveal()), nil
}

// admit lets a line open only under the address that clients know. The first
// one ever is taken, and remembered from then on.
func (t *site) admit(url string) error {
	b := t.bridge
	b.mu.Lock()
	base := b.base
	want := base
	if b.ask != "" {
		want = b.ask
	}
	if want != "" && !strings.EqualFold(url, want) {
		b.offered = url
		b.mu.Unlock()
		return &tunnel.Error{Fatal: true, Msg: fmt.Sprintf("ngrok now gives %s, but clients know %s. Nothing was changed: `drawbridge status` says what a change would mean", url, base)}
	}
	b.offered = ""
	b.mu.Unlock()
	if base == "" {
		base = url
	}
	if err := t.remember(base); err != nil {
		return &tunnel.Error{Msg: err.Error()}
	}
	b.settle(base)
	return nil
}

// remember keeps the address for the next start.
func (t *site) remember(url string) error {
	b := t.bridge
	b.mu.Lock()
	known := b.remember == url
	b.mu.Unlock()
	if known {
		return nil
	}
	if err := t.app.db.Save([]oauth.Change{{Bucket: settingsBucket, Key: urlSetting, Value: []byte(url)}}); err != nil {
		return err
	}
	b.mu.Lock()
	b.remember = url
	b.mu.Unlock()
	t.app.mu.Lock()
	t.app.vault.url = url
	t.app.mu.Unlock()
	return nil
}

// AcceptURL takes the other URL that the tunnel's provider gives now: every
// session ends, since its tokens were for the old one. It returns what the
// person has to do next. Nobody else can change the address.
func (s *Server) AcceptURL(context.Context) (string, error) {
	t := s.current()
	if t == nil {
		return "", errNotReady
	}
	b := t.bridge
	b.mu.Lock()
	offered := b.offered
	b.mu.Unlock()
	switch {
	case offered == "":
		return "", errors.New("there is no other URL to accept: see `drawbridge status`")
	case b.ask != "":
		return "", fmt.Errorf("the URL is set in config.toml: change [tunnel] domain (or public_url) to that of %s there, and start Drawbridge again", offered)
	}
	if err := t.remember(offered); err != nil {
		return "", err
	}
	b.settle(offered)
	select {
	case b.rebuild <- struct{}{}:
	default:
	}
	t.retryTunnel()
	return fmt.Sprintf("The MCP URL is now %s%s. Enter %s as a redirect URI at the provider, and give the MCP URL to your clients: everybody signs in again.",
		offered, mcpPath, authserver.RedirectURI(offered)), nil
}

// retryTunnel opens the tunnel now, also after an error that stopped all
// attempts.
func (t *site) retryTunnel() {
	if k := t.tunnel(); k != nil {
		k.Retry()
	}
}

// tunnel is the keeper; nil without a tunnel, or before it is known whether there
// is one.
func (t *site) tunnel() *tunnel.Keeper {
	if t.app.opened() == nil {
		return nil
	}
	return t.bridge.running()
}

// tunnelChanged makes an event of a change and tells who watches.
func (t *site) tunnelChanged(st tunnel.State) {
	e := status.Event{Type: status.TunnelDown, Outcome: status.Failed, Reason: st.Error}
	switch st.Name {
	case tunnel.Up:
		e = status.Event{Type: status.TunnelUp, Outcome: status.OK, Reason: st.URL}
		if st.Error != "" {
			e.Outcome, e.Reason = status.Failed, st.Error
		}
	case tunnel.Paused:
		e.Outcome, e.Reason = status.OK, "paused by the owner"
	case tunnel.Off:
		e.Outcome, e.Reason = status.OK, "Drawbridge stopped"
	case tunnel.Connecting:
		e.Type = ""
	}
	s, b := t.app, t.bridge
	b.mu.Lock()
	say := e.Type != "" && e != b.recorded
	if say {
		b.recorded = e
	}
	first := b.base == ""
	b.mu.Unlock()
	if say {
		s.opened().journal.Record(e)
	}
	if first {
		s.mu.Lock()
		s.problem = ""
		if st.Name == tunnel.Down {
			s.problem = "there is no address yet, since the tunnel is down: " + st.Error
		}
		s.mu.Unlock()
	}
	s.board.Wake()
}

// tunnelStatus is the tunnel for `drawbridge status`. While paused it is off.
func (t *site) tunnelStatus() (st status.Tunnel, note string) {
	k := t.tunnel()
	if k == nil {
		st = status.Tunnel{State: tunnel.Off}
		if t.config().TunnelProvider(false) == config.TunnelNgrok {
			st.State = tunnel.Connecting // as soon as the keychain is open
		}
		return st, ""
	}
	now := k.State()
	st = status.Tunnel{State: now.Name, URL: now.URL, Error: now.Error, Since: now.Since, NextAttempt: now.Next}
	if now.Name == tunnel.Paused {
		st.State = tunnel.Off
	}
	if change := t.urlChange(); change != "" && now.Name == tunnel.Down {
		st.Error = change
	}
	return st, now.Note
}

// urlChange says what another URL would mean, if the provider gives one.
func (t *site) urlChange() string {
	b := t.bridge
	b.mu.Lock()
	offered, base := b.offered, b.base
	b.mu.Unlock()
	if offered == "" {
		return ""
	}
	var names []string
	for _, c := range t.app.Clients() {
		if c.Sessions > 0 && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	who := "No client is signed in, so none would break."
	if len(names) > 0 {
		who = "These clients would stop working until they get the new MCP URL and sign in again: " + strings.Join(names, ", ") + "."
	}
	how := "To accept it, run `drawbridge tunnel accept`; to keep the old one, store the authtoken of the ngrok account that has it (`drawbridge setup`), then run `drawbridge tunnel retry`."
	if b.ask != "" {
		how = "To accept it, change [tunnel] domain or public_url in config.toml and start Drawbridge again."
	}
	return fmt.Sprintf("ngrok now gives %s, but clients know %s. Nothing was changed. %s The MCP URL would be %s%s, and the provider would need the redirect URI %s. %s",
		offered, base, who, offered, mcpPath, authserver.RedirectURI(offered), how)
}
