package serverauth

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// link is where one person signs in at one server.
type link struct {
	key
	server          string
	session         string
	issuer, subject string
	asked           string // the elicitation's ID
	browser         string // the first that opened it
	sent            map[string]oauth.UpstreamRequest
	until           time.Time
}

// ErrNotTheirs is why a link does nothing for whoever has opened it.
var ErrNotTheirs = errors.New("This link was made for somebody else, so nobody was signed in")

// maxLinks bounds the links of one session.
const maxLinks = 20

// linkFor returns the address where a person signs in at a server, on behalf of
// the session that called, and the ID of the elicitation that says so.
func (s *SignIns) linkFor(k key, address string, who *oauth.Caller) (at, asked string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, now := 0, s.o.Now()
	for id, l := range s.links {
		switch {
		case !now.Before(l.until):
			delete(s.links, id)
		case l.key == k && l.session == who.Session && l.server == address && l.browser == "":
			l.until = now.Add(flowTime)
			return s.o.Base + Path + "?link=" + id, l.asked
		case l.session == who.Session:
			mine++
		}
	}
	if mine >= maxLinks {
		maps.DeleteFunc(s.links, func(_ string, l *link) bool { return l.session == who.Session })
	}
	id := oauth2.GenerateVerifier()
	asked = rand.Text()
	s.links[id] = &link{key: k, server: address, session: who.Session, asked: asked, issuer: who.Issuer, subject: who.User.Sub,
		sent: map[string]oauth.UpstreamRequest{}, until: now.Add(flowTime)}
	return s.o.Base + Path + "?link=" + id, asked
}

// Open begins with a link: the person first proves at our own provider that they
// are whose link it is. It belongs to the browser that opens it first.
func (s *SignIns) Open(id, browser string) (up oauth.UpstreamRequest, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.links[id]
	if l == nil || browser == "" || l.browser != "" && l.browser != browser || !s.o.Now().Before(l.until) {
		return up, false
	}
	l.browser = browser
	up = oauth.UpstreamRequest{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier()}
	clear(l.sent)
	l.sent[up.State] = up
	return up, true
}

// Proving returns what was sent to our provider with a state, once; false if that
// is no link's, or of another browser.
func (s *SignIns) Proving(state, browser string) (id string, up oauth.UpstreamRequest, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, l := range s.links {
		if up, ok = l.sent[state]; ok {
			delete(l.sent, state)
			return id, up, l.browser == browser
		}
	}
	return "", up, false
}

// Proven takes who came back from our provider, and returns where they sign in at
// the server. Errors are sentences.
func (s *SignIns) Proven(ctx context.Context, id, browser string, who oauth.Identity) (string, error) {
	s.mu.Lock()
	l := s.links[id]
	delete(s.links, id)
	s.mu.Unlock()
	if l == nil || l.browser != browser {
		return "", errNoFlow
	}
	if l.issuer != who.Issuer || l.subject != who.Subject {
		return "", ErrNotTheirs
	}
	location, err := s.begin(ctx, &flow{key: l.key, server: l.server, session: l.session, asked: l.asked, who: who, browser: browser}, s.public(s.id(l.key.server)))
	if err != nil {
		return "", named(l.key.server, err)
	}
	return location, nil
}
