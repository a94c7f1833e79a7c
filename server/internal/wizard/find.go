package wizard

import (
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

// Pasted reads an issuer as people paste one: with or without its scheme, the
// address of an admin console or of a discovery document. Which of Okta's
// authorization servers is meant is left open where none is named.
func Pasted(issuer, clientID string) (Kind, Form) {
	if u := webAddress(issuer); u != nil {
		issuer = u.String()
	}
	kind, f := KindOf(config.IDP{Issuer: issuer, ClientID: clientID})
	if kind == Okta && f[FieldServer] == OrgServer {
		f[FieldServer] = ""
	}
	f[FieldClientID] = clientID
	return kind, f
}

// Locate puts into c the provider that f means, after it has answered there:
// its issuer as the provider spells it, and what comes with it. Of Okta's
// authorization servers it takes the one that f names, else the organisation's
// own, and notes what else there is.
func (w *Wizard) Locate(ctx context.Context, kind Kind, f Form, c *Candidate) (r Report) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	w = w.by(c.Config.Network, c.ProxyPassword)
	issuer, problems := kind.Issuer(f)
	if r.Problems = problems; len(problems) > 0 {
		return r
	}
	if u, err := url.Parse(issuer); err == nil && kind == Okta && serverIn(u) == "" && Trim(f[FieldServer]) != OrgServer {
		issuer = w.choose(ctx, issuer, &r)
	} else {
		issuer = w.look(ctx, kind, issuer, &r)
	}
	c.Config.IDP = kind.IDP(c.Config.IDP, issuer, f)
	c.Config = WithScopes(c.Config)
	return r
}

// choose returns the issuer of an Okta of which the person named the domain
// alone. Both servers are asked at once.
func (w *Wizard) choose(ctx context.Context, org string, r *Report) string {
	custom := org + "/oauth2/default"
	var ofOrg, ofCustom Report
	var both sync.WaitGroup
	both.Go(func() { org = w.look(ctx, Okta, org, &ofOrg) })
	both.Go(func() { custom = w.look(ctx, Okta, custom, &ofCustom) })
	both.Wait()
	switch {
	case ofOrg.OK() && ofCustom.OK():
		r.note("Okta has its own authorization server here and a custom one named default. Its own is used: every Okta has it, and it needs no access policy. The other's issuer is {issuer}", "issuer", custom)
	case ofCustom.OK():
		r.note("This organisation answers with one authorization server, so that is used: {issuer}", "issuer", custom)
		return custom
	default:
		r.Add(ofOrg)
	}
	return org
}

// look asks at an issuer and returns it as the provider spells it. Why it can't
// be used is r's, with the field to change.
func (w *Wizard) look(ctx context.Context, kind Kind, issuer string, r *Report) string {
	spelled, err := w.resolve(ctx, kind, issuer)
	if err == nil {
		return spelled
	}
	u, bad := url.Parse(issuer)
	if bad != nil {
		u = &url.URL{}
	}
	p := Problem{FieldClientID, fromProvider(err)}
	if fields := kind.Fields(); len(fields) > 0 {
		p.Field = fields[0].Name
	}
	r.Away = oauth.IsProviderError(err, oauth.ProviderUnreachable)
	switch id := serverIn(u); {
	case r.Away:
		if network := w.networkField(ctx, err); network != "" {
			p.Field = network
		}
	case kind != Okta:
	case id == "":
		p.Sentence = say("{host} answers, but not as an Okta organisation does. Check the domain: Okta shows it in the menu at the top right of its pages.", "host", u.Host)
	case id == "default":
		p = Problem{FieldServer, say("This organisation has no authorization server named default: without API Access Management there are no custom ones. Use the organisation's own.")}
	default:
		p = Problem{FieldServer, say("This organisation has no authorization server with the ID {id}. Its list is under Security, API, Authorization Servers; without API Access Management there is none, and the organisation's own is the one to use.", "id", id)}
	}
	r.Problems = append(r.Problems, p)
	return issuer
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
