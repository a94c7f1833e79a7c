package console

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// Configurer is the app as Setup changes it. Errors are sentences for its owner.
type Configurer interface {
	// Config is the configuration as it is saved, or the default.
	Config() config.Config
	// PublicURL is what clients see, without a slash at the end; "" while
	// nobody knows.
	PublicURL() string
	// HasSecret reports whether the keychain holds a secret of the account. One
	// that is locked may.
	HasSecret(account string) bool
	// Configure saves a configuration and secrets as [wizard.Save] does, and
	// applies them at once. Secrets that are missing or zero stay.
	Configure(ctx context.Context, c config.Config, secrets map[string]keystore.Secret) error
	// Wizard checks what is about to be saved, with the app's own keychain.
	Wizard() *wizard.Wizard
	// StartDryRun begins a sign-in that makes no grant, and returns where to
	// send the browser.
	StartDryRun(ctx context.Context) (string, error)
	// DryRun is how that sign-in stands.
	DryRun() wizard.TrialStatus
}

// The steps of Setup. Each is a form that is saved by itself, so that whoever
// comes back goes on where they were.
const (
	stepProvider = "provider"
	stepTunnel   = "tunnel"
	stepAccess   = "access"
	stepTry      = "try"
)

var setupSteps = []string{stepProvider, stepTunnel, stepAccess, stepTry}

// setup is the page that makes the configuration, and changes it.
func (c *Console) setup() *Page {
	s := &setup{app: c.configurer}
	if s.app == nil {
		return &Page{Name: "setup", Draw: func(*Request) any { return (*setupView)(nil) }}
	}
	return &Page{
		Name:  "setup",
		Draw:  func(r *Request) any { return s.draw(r) },
		Parts: []string{"setup-tunnel-state", "setup-trial"},
		Actions: map[string]Action{
			stepProvider: s.saveProvider,
			stepTunnel:   s.saveTunnel,
			stepAccess:   s.saveAccess,
			stepTry:      s.try,
			"offer":      s.takeOffer,
			"claim":      s.takeClaim,
		},
	}
}

type setup struct{ app Configurer }

// setupResult is what an action found, for the page that is drawn after it.
type setupResult struct {
	form    wizard.Form // as it was sent, but for secrets
	report  wizard.Report
	servers []wizard.Server
	authURL string
}

// done leads to a step that is drawn afresh.
func (r *Request) done(step string) {
	r.URL.RawQuery = url.Values{"step": {step}}.Encode()
}

// mend is the error of a form with problems: the page lists them below.
func (r *Request) mend(res *setupResult) error {
	r.Result = res
	return errors.New(r.Count("setup.mend", len(res.report.Problems)))
}

// form takes what was sent, but for secrets, which never go back.
func (r *Request) form(names ...string) wizard.Form {
	f := wizard.Form{}
	for _, name := range names {
		f[name] = r.Query(name)
	}
	return f
}

func (r *Request) secret(name string, trim func(string) string) keystore.Secret {
	return keystore.NewSecret(trim(r.PostFormValue(name)))
}

func (s *setup) saveProvider(r *Request) (string, error) {
	kind := wizard.Kind(r.Query(wizard.FieldKind))
	if !kind.Known() {
		r.done(stepProvider)
		return "", errors.New(r.Say("setup.choose"))
	}
	r.URL.RawQuery = url.Values{"step": {stepProvider}, "kind": {string(kind)}}.Encode()
	names := []string{wizard.FieldClientID, "other", wizard.FieldProxy, wizard.FieldNoProxy, wizard.FieldCAFile}
	for _, f := range kind.Fields() {
		names = append(names, f.Name)
	}
	res := &setupResult{form: r.form(names...)}
	if other := res.form["other"]; other != "" { // the ID of an authorization server, typed beside the ones found
		res.form[wizard.FieldServer] = other
	}
	cand := wizard.Candidate{Config: s.app.Config(), ClientSecret: r.secret(wizard.FieldClientSecret, wizard.Trim), RedirectURI: s.redirectURI()}
	if r.PostForm.Has(wizard.FieldProxy) {
		cand.Config.Network, cand.ProxyPassword = wizard.Network(res.form[wizard.FieldProxy], res.form[wizard.FieldNoProxy], res.form[wizard.FieldCAFile])
		res.form[wizard.FieldProxy] = cand.Config.Network.Proxy // without the password that may have been in it
		if typed := r.secret(wizard.FieldProxyPassword, strings.TrimSpace); !typed.IsZero() {
			cand.ProxyPassword = typed
		}
		if res.report = s.app.Wizard().CheckNetwork(cand.Config.Network); !res.report.OK() {
			return "", r.mend(res)
		}
	}
	if kind == wizard.Okta && (r.Query("look") != "" || res.form[wizard.FieldServer] == "") {
		return s.look(r, res, cand)
	}
	issuer, problems := kind.Issuer(res.form)
	if len(problems) > 0 {
		res.report.Problems = problems
		return "", r.mend(res)
	}
	cand.Former = cand.Config.IDP.Issuer
	cand.Config.IDP = kind.IDP(cand.Config.IDP, issuer, res.form)
	cand.Config = wizard.WithScopes(cand.Config)
	res.report = s.app.Wizard().CheckProvider(r.Context(), kind, &cand)
	res.redirectLater()
	if !res.report.OK() {
		return "", r.mend(res)
	}
	return s.save(r, res, cand, stepTunnel)
}

// redirectLater makes notes of what is wrong with the redirect URI: it may well
// be entered at the provider after this.
func (res *setupResult) redirectLater() {
	res.report.Problems = slices.DeleteFunc(res.report.Problems, func(p wizard.Problem) bool {
		if p.Field == wizard.FieldRedirect {
			res.report.Notes = append(res.report.Notes, p.Sentence)
		}
		return p.Field == wizard.FieldRedirect
	})
}

// look finds Okta's authorization servers.
func (s *setup) look(r *Request, res *setupResult, cand wizard.Candidate) (string, error) {
	res.servers, res.report.Problems = s.app.Wizard().FindOkta(r.Context(), cand, res.form)
	if !res.report.OK() {
		return "", r.mend(res)
	}
	res.form[wizard.FieldServer] = ""
	for _, server := range res.servers {
		if server.Recommended {
			res.form[wizard.FieldServer] = server.ID
		}
	}
	r.Result = res
	return r.Say("setup.found"), nil
}

func (s *setup) saveTunnel(r *Request) (string, error) {
	r.done(stepTunnel)
	res := &setupResult{form: r.form(wizard.FieldTunnel, wizard.FieldTunnelDomain, wizard.FieldPublicURL)}
	cand := wizard.Candidate{Config: s.app.Config(), Authtoken: r.secret(wizard.FieldAuthtoken, wizard.Authtoken)}
	t := &cand.Config.Tunnel
	switch res.form[wizard.FieldTunnel] {
	case config.TunnelNgrok:
		former := "https://" + t.Domain
		t.Provider, t.Domain = config.TunnelNgrok, wizard.Domain(res.form[wizard.FieldTunnelDomain])
		if cand.Config.PublicURL == former { // it said the same
			cand.Config.PublicURL = ""
		}
	case config.TunnelNone:
		t.Provider, t.Domain = config.TunnelNone, ""
		cand.Config.PublicURL = wizard.PublicURL(res.form[wizard.FieldPublicURL])
		cand.Authtoken = keystore.Secret{}
	default:
		res.report.Problems = []wizard.Problem{{Field: wizard.FieldTunnel, Sentence: wizard.Sentence{Text: "Choose how the internet reaches this computer."}}}
		return "", r.mend(res)
	}
	res.report = s.app.Wizard().CheckTunnel(r.Context(), &cand)
	if !res.report.OK() {
		return "", r.mend(res)
	}
	return s.save(r, res, cand, stepAccess)
}

func (s *setup) saveAccess(r *Request) (string, error) {
	r.done(stepAccess)
	res := &setupResult{form: r.form(wizard.FieldEmails, wizard.FieldDomains, wizard.FieldGroups, wizard.FieldAnyone)}
	cand := wizard.Candidate{Config: s.app.Config()}
	rules := cand.Config.Access.Rules
	cand.Config.Access = wizard.Access(res.form[wizard.FieldEmails], res.form[wizard.FieldDomains], res.form[wizard.FieldGroups], res.form[wizard.FieldAnyone] != "")
	cand.Config.Access.Rules = rules
	cand.Config = wizard.WithScopes(cand.Config)
	res.report = s.app.Wizard().CheckAccess(cand)
	if !res.report.OK() {
		return "", r.mend(res)
	}
	return s.save(r, res, cand, stepTry)
}

// save stores what was checked and leads to the next step, which shows the
// notes.
func (s *setup) save(r *Request, res *setupResult, cand wizard.Candidate, next string) (string, error) {
	r.Result = res
	secrets := map[string]keystore.Secret{}
	for account, secret := range map[string]keystore.Secret{keystore.IDPClientSecret: cand.ClientSecret, keystore.NgrokAuthtoken: cand.Authtoken, keystore.ProxyPassword: cand.ProxyPassword} {
		if !secret.IsZero() {
			secrets[account] = secret
		}
	}
	err := s.app.Configure(r.Context(), cand.Config, secrets)
	var env *wizard.ErrSetInEnvironment
	if err != nil && !errors.As(err, &env) {
		return "", err
	}
	r.done(next)
	r.Result = &setupResult{report: wizard.Report{Notes: res.report.Notes}}
	if env != nil {
		return r.Say("setup.saved.env", env.Names[0]), nil
	}
	return r.Say("setup.saved"), nil
}

// try begins a dry run.
func (s *setup) try(r *Request) (string, error) {
	r.done(stepTry)
	if s.redirectURI() == "" {
		return "", errors.New(r.Say("setup.try.noURL"))
	}
	res := &setupResult{}
	var err error
	if res.authURL, err = s.app.StartDryRun(r.Context()); err != nil {
		var pe *oauth.ProviderError
		if says := s.app.DryRun().Says; errors.As(err, &pe) && !says.IsZero() {
			err = errors.New(r.sentence(says))
		}
		return "", err
	}
	r.Result = res
	return r.Say("setup.try.begun"), nil
}

// takeOffer changes to the authorization server that the last dry run offered.
func (s *setup) takeOffer(r *Request) (string, error) {
	r.done(stepTry)
	offer := s.app.DryRun().Offer
	if offer == "" {
		return "", errors.New(r.Say("setup.offer.none"))
	}
	cand := wizard.Candidate{Config: s.app.Config(), RedirectURI: s.redirectURI()}
	kind, _ := wizard.KindOf(cand.Config.IDP)
	cand.Config.IDP = kind.IDP(cand.Config.IDP, offer, wizard.Form{wizard.FieldClientID: cand.Config.IDP.ClientID})
	cand.Config = wizard.WithScopes(cand.Config)
	res := &setupResult{report: s.app.Wizard().CheckProvider(r.Context(), kind, &cand)}
	res.redirectLater()
	if !res.report.OK() {
		return "", r.mend(res)
	}
	return s.save(r, res, cand, stepTry)
}

// takeClaim takes the groups from a claim in which the last dry run saw some.
func (s *setup) takeClaim(r *Request) (string, error) {
	r.done(stepTry)
	claim := r.Query("claim")
	if found := s.app.DryRun().Result; found == nil || !slices.Contains(found.GroupsIn, claim) {
		return "", errors.New(r.Say("setup.claim.none"))
	}
	cand := wizard.Candidate{Config: s.app.Config()}
	cand.Config.IDP.GroupsClaim = claim
	return s.save(r, &setupResult{}, cand, stepTry)
}

// redirectURI is what the provider has to know; "" until it is decided how the
// internet gets here, and while the tunnel has not given its URL yet.
func (s *setup) redirectURI() string {
	c := s.app.Config()
	decided := c.Tunnel.Provider != "" || c.Tunnel.Domain != "" || c.PublicURL != "" || s.app.HasSecret(keystore.NgrokAuthtoken)
	if base := s.app.PublicURL(); decided && base != "" {
		return base + "/auth/callback"
	}
	return ""
}

// sentence is one of the wizard's in the person's language.
func (r *Request) sentence(s wizard.Sentence) string {
	if s.IsZero() {
		return ""
	}
	return s.In(assets.Translate(r.Lang, s.Text))
}
