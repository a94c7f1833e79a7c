package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Public is the URL that clients know, and the tunnel that leads there, if
// there is one. The URL is the person's to change, never the provider's. Create
// it with [NewPublic]; then call [Public.Settle] or [Public.Open].
type Public struct {
	o     PublicOptions
	front front
	known chan struct{} // closed once url is known

	mu       sync.Mutex // guards all below
	url      string     // no slash at the end; "" until the tunnel has given the first one
	ask      string     // the URL to ask the provider for; "" takes the account's own
	offered  string     // another URL that the provider gives, and that nobody has accepted
	keeper   *Keeper    // nil without a tunnel, or before it is known whether there is one
	recorded status.Event
}

// PublicOptions make a [Public].
type PublicOptions struct {
	URL      string // as far as the configuration tells; "" if only the tunnel can
	Expected bool   // there will be a tunnel
	// Remember keeps the URL for the next start.
	Remember func(url string) error
	Record   func(status.Event)
	Wake     func()            // hears of each change; must not block
	HTTP     *http.Client      // looks from outside; nil: one of its own, by Network
	Network  *outbound.Network // nil: the environment's
	Now      func() time.Time
	Log      *slog.Logger
}

// NewPublic returns an address without a tunnel, whose URL may not be known
// yet.
func NewPublic(o PublicOptions) *Public {
	return &Public{o: o, url: o.URL, known: make(chan struct{}), front: front{http: o.HTTP, network: o.Network, now: o.Now}}
}

// URL is what clients know, "" while nobody does.
func (p *Public) URL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.url
}

// Known is closed once the URL is settled.
func (p *Public) Known() <-chan struct{} { return p.known }

// Settle makes url the one that clients know; "" leaves that to the tunnel.
func (p *Public) Settle(url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.url, p.offered = url, ""
	select {
	case <-p.known:
	default:
		if url != "" {
			close(p.known)
		}
	}
}

// Open has a tunnel of provider lead to url, if that is known. The provider is
// asked for ask, or for whatever address the account has if that is "". server
// serves one line. The tunnel opens with [Public.Run].
func (p *Public) Open(url, ask string, provider Provider, server func() *http.Server) {
	p.Settle(url)
	k := New(Options{Provider: provider, URL: ask, NewServer: server, Admit: p.admit, OnChange: p.changed, Look: p.Look, Now: p.o.Now, Log: p.o.Log})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask, p.keeper = ask, k
}

// Run keeps the tunnel open until ctx ends, and closes it then.
func (p *Public) Run(ctx context.Context) { p.tell(func(k *Keeper) { k.Run(ctx) }) }

// Pause closes the tunnel until [Public.Resume].
func (p *Public) Pause() { p.tell((*Keeper).Pause) }

// Resume opens it again.
func (p *Public) Resume() { p.tell((*Keeper).Resume) }

// Retry opens it now, also after an error that stopped all attempts.
func (p *Public) Retry() { p.tell((*Keeper).Retry) }

// tell does nothing without a tunnel.
func (p *Public) tell(what func(*Keeper)) {
	p.mu.Lock()
	k := p.keeper
	p.mu.Unlock()
	if k != nil {
		what(k)
	}
}

// Wrap notices the requests of [Public.Look] on their way to next.
func (p *Public) Wrap(next http.Handler) http.Handler { return p.front.wrap(next) }

// Look looks whether the URL leads here.
func (p *Public) Look(ctx context.Context) Finding { return p.front.look(ctx, p.URL()) }

// admit lets a line open only under the URL that clients know. The first one
// ever is taken, and remembered from then on.
func (p *Public) admit(url string) error {
	p.mu.Lock()
	known, want := p.url, p.url
	if p.ask != "" {
		want = p.ask
	}
	other := want != "" && !hostname.Same(url, want)
	p.offered = ""
	if other {
		p.offered = url
	}
	p.mu.Unlock()
	if other {
		return &Error{Fatal: true, Msg: fmt.Sprintf("ngrok now gives %s, but clients know %s. Nothing was changed: `drawbridge status` says what a change would mean", url, known)}
	}
	if known == "" {
		known = url
	}
	if err := p.o.Remember(known); err != nil {
		return &Error{Msg: err.Error()}
	}
	p.Settle(known)
	return nil
}

// Offer is another URL that the provider gives now, and that nobody has
// accepted; fixed if only the configuration can. offered is "" without one.
func (p *Public) Offer() (offered, known string, fixed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offered, p.url, p.ask != ""
}

// Accept takes the offered URL for the next start, and returns it.
func (p *Public) Accept() (string, error) {
	offered, _, fixed := p.Offer()
	switch {
	case offered == "":
		return "", errors.New("there is no other URL to accept: see `drawbridge status`")
	case fixed:
		return "", fmt.Errorf("the URL is set in config.toml: change [tunnel] domain (or public_url) to that of %s there, and start Drawbridge again", offered)
	}
	return offered, p.o.Remember(offered)
}

// changed makes an event of a change, unless the last one said the same, and
// tells who watches.
func (p *Public) changed(st State) {
	e := st.event()
	p.mu.Lock()
	say := e.Type != "" && e != p.recorded
	if say {
		p.recorded = e
	}
	p.mu.Unlock()
	if say {
		p.o.Record(e)
	}
	p.o.Wake()
}

// event has no type if there is nothing to say.
func (st State) event() status.Event {
	switch st.Name {
	case Up:
		if st.Error != "" {
			return status.Event{Type: status.TunnelUp, Outcome: status.Failed, Reason: st.Error}
		}
		return status.Event{Type: status.TunnelUp, Outcome: status.OK, Reason: st.URL}
	case Paused:
		return status.Event{Type: status.TunnelDown, Outcome: status.OK, Reason: "paused by the owner"}
	case Off:
		return status.Event{Type: status.TunnelDown, Outcome: status.OK, Reason: "Drawbridge stopped"}
	case Down:
		return status.Event{Type: status.TunnelDown, Outcome: status.Failed, Reason: st.Error}
	}
	return status.Event{}
}

// Status is the tunnel for `drawbridge status`, and what a person should know
// of it although nothing is wrong. While paused it is off.
func (p *Public) Status() (st status.Tunnel, note string) {
	p.mu.Lock()
	k := p.keeper
	p.mu.Unlock()
	if k == nil {
		if p.o.Expected {
			return status.Tunnel{State: Connecting}, ""
		}
		return status.Tunnel{State: Off}, ""
	}
	now := k.State()
	st = status.Tunnel{State: now.Name, URL: now.URL, Error: now.Error, Since: now.Since, NextAttempt: now.Next}
	if now.Name == Paused {
		st.State = Off
	}
	return st, now.Note
}
