package wizard

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// lookTime bounds everything that is asked of a provider for one form.
const lookTime = 15 * time.Second

// Server is one of an Okta organisation's authorization servers.
type Server struct {
	ID          string // [OrgServer], "default", or the ID that the person gave
	Issuer      string
	OK          bool
	Recommended bool     // one of them at most
	Says        Sentence // what it is, or why it can't be used
}

const (
	saysOrg       = "The organisation's own authorization server. Every Okta has it, no API Access Management is needed, and everybody assigned to the app may use it. It names groups in the ID token only, which is where Drawbridge looks."
	saysCustom    = "A custom authorization server, with an audience, scopes and access policies of its own: one of its policies must let this app in. Use it if your administrator wants sign-ins to go through it."
	saysNoDefault = "This organisation has no authorization server named default: without API Access Management there are no custom ones. Use the organisation's own."
	saysNoServer  = "This organisation has no authorization server with the ID {id}. Its list is under Security, API, Authorization Servers; without API Access Management there is none, and the organisation's own is the one to use."
	saysNoOkta    = "{host} answers, but not as an Okta organisation does. Check the domain: Okta shows it in the menu at the top right of its pages."
)

// FindOkta looks for the authorization servers at the domain of f: the
// organisation's own, the custom one named default, and the one that f names.
// It says of each what it found, and recommends one.
func (w *Wizard) FindOkta(ctx context.Context, c Candidate, f Form) ([]Server, []Problem) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	w = w.by(c.Config.Network, c.ProxyPassword)
	named, problems := Okta.Issuer(f)
	if len(problems) > 0 {
		return nil, problems
	}
	u, err := url.Parse(named)
	if err != nil {
		return nil, []Problem{{FieldDomain, say(saysNoOkta, "host", Trim(f[FieldDomain]))}}
	}
	base := u.Scheme + "://" + u.Host
	servers := []Server{{ID: OrgServer, Issuer: base}, {ID: "default", Issuer: base + "/oauth2/default"}}
	asked := serverIn(u)
	if asked != "" && asked != "default" {
		servers = append(servers, Server{ID: asked, Issuer: named})
	}
	var wg sync.WaitGroup
	unreachable := make([]*Problem, len(servers))
	for i := range servers {
		wg.Go(func() { unreachable[i] = w.lookAt(ctx, &servers[i], u.Host) })
	}
	wg.Wait()
	if !recommend(servers, asked) {
		for _, p := range unreachable {
			if p != nil {
				return nil, []Problem{*p}
			}
		}
		return nil, []Problem{{FieldDomain, say(saysNoOkta, "host", u.Host)}}
	}
	return servers, nil
}

// lookAt asks one server and says what it is. It returns why it can't be
// reached, if that is so.
func (w *Wizard) lookAt(ctx context.Context, s *Server, host string) *Problem {
	issuer, err := w.resolve(ctx, Okta, s.Issuer)
	switch {
	case err == nil:
		s.OK, s.Issuer, s.Says = true, issuer, say(saysCustom)
		if s.ID == OrgServer {
			s.Says = say(saysOrg)
		}
	case oauth.IsProviderError(err, oauth.ProviderUnreachable):
		s.Says = fromProvider(err)
		return &Problem{cmp.Or(w.networkField(ctx, err), FieldDomain), s.Says}
	case s.ID == OrgServer:
		s.Says = say(saysNoOkta, "host", host)
	case s.ID == "default":
		s.Says = say(saysNoDefault)
	default:
		s.Says = say(saysNoServer, "id", s.ID)
	}
	return nil
}

// recommend marks the server that the person asked for, else the organisation's
// own, else any that works. It returns false if none does.
func recommend(servers []Server, asked string) bool {
	for _, id := range []string{asked, OrgServer, "default"} {
		for i := range servers {
			if servers[i].ID == id && servers[i].OK {
				servers[i].Recommended = true
				return true
			}
		}
	}
	return false
}

// resolve asks for the discovery document and keys of issuer and returns the
// issuer as the provider spells it, where what the person gave says the same in
// other bytes. Anything else that the document calls itself is an error.
func (w *Wizard) resolve(ctx context.Context, k Kind, issuer string) (string, error) {
	err := w.client(config.IDP{Issuer: issuer}, keystore.Secret{}, "").Check(ctx)
	var other *idp.OtherIssuer
	if err == nil || !errors.As(err, &other) || !sameProvider(k, issuer, other.Issuer) {
		return issuer, err
	}
	return other.Issuer, w.client(config.IDP{Issuer: other.Issuer}, keystore.Secret{}, "").Check(ctx)
}

// sameProvider reports whether said is what a person may well have meant by
// given: but for a slash at the end, for the tenant's ID in the place of its
// domain at Entra, or for Okta's own host in the place of the customer's.
func sameProvider(k Kind, given, said string) bool {
	if strings.TrimSuffix(given, "/") == strings.TrimSuffix(said, "/") {
		return true
	}
	a, errA := url.Parse(given)
	b, errB := url.Parse(said)
	if errA != nil || errB != nil || b.Scheme != "https" || b.RawQuery != "" || b.Fragment != "" || b.User != nil {
		return false
	}
	switch k {
	case Entra:
		return a.Host == b.Host && entraTenant.MatchString(pathPart(b, 0)) && b.Path == "/"+pathPart(b, 0)+"/v2.0"
	case Okta:
		return a.Path == b.Path && idp.NameOf(b.Scheme+"://"+b.Host) == Okta.Name()
	}
	return false
}
