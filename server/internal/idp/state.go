package idp

import (
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// notAsked is the State's error until the provider was asked for the first time.
const notAsked = "The provider has not been asked yet."

// health is what stands between us and the provider, as last seen. A refusal
// of one person is no fault, so it is never in here.
type health struct {
	asked     bool
	discovery *oauth.ProviderError // of the latest discovery
	token     *oauth.ProviderError // of the latest exchange, refresh or revocation
}

// State returns what the provider last answered. Before it was asked at all it
// counts as unreachable.
func (c *Client) State() status.IDP {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.health.status(c.cfg.Issuer)
}

func (h health) status(issuer string) status.IDP {
	s := status.IDP{State: status.IDPOK, Issuer: issuer}
	fault := worse(h.discovery, h.token)
	switch {
	case fault != nil && fault.Kind == oauth.ProviderMisconfigured:
		s.State, s.Error = status.IDPMisconfigured, fault.Message
	case fault != nil:
		s.State, s.Error = status.IDPUnreachable, fault.Message
	case !h.asked:
		s.State, s.Error = status.IDPUnreachable, notAsked
	}
	return s
}

// worse returns the fault that a person has to act on first: waiting mends an
// outage, not a wrong setting.
func worse(a, b *oauth.ProviderError) *oauth.ProviderError {
	if a == nil || b != nil && b.Kind == oauth.ProviderMisconfigured && a.Kind != oauth.ProviderMisconfigured {
		return b
	}
	return a
}

// noteDiscovery notes how discovery ended. That it works again is taken as the
// end of an outage; a wrong client secret it can't disprove.
func (c *Client) noteDiscovery(fault *oauth.ProviderError) {
	c.note(func(h *health) {
		h.discovery = fault
		if fault == nil && h.token != nil && h.token.Kind == oauth.ProviderUnreachable {
			h.token = nil
		}
	})
}

// noteToken notes how a request with our client authentication ended. An
// outage of several in a row may mean that the provider moved its endpoints, so
// they are discovered again.
func (c *Client) noteToken(fault *oauth.ProviderError) {
	if fault != nil && fault.Kind == oauth.ProviderRefused {
		fault = nil // it answered, and knew us
	}
	c.mu.Lock()
	if fault == nil {
		c.strikes = 0
	} else if c.strikes++; c.strikes >= maxStrikes && c.found != nil {
		c.found.stale = true
	}
	c.mu.Unlock()
	c.note(func(h *health) {
		h.token = fault
		if fault == nil {
			h.discovery = nil
		}
	})
}

// note changes the health and tells OnChange if its state or text differ.
func (c *Client) note(change func(*health)) {
	c.telling.Lock() // so that the last change is also told last
	defer c.telling.Unlock()
	c.mu.Lock()
	before := c.health.status(c.cfg.Issuer)
	change(&c.health)
	c.health.asked = true
	after := c.health.status(c.cfg.Issuer)
	c.mu.Unlock()
	if before != after && c.cfg.OnChange != nil {
		c.cfg.OnChange(after)
	}
}
