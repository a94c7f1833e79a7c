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
	// applies them at once, as far as they suffice. Secrets that are missing or
	// zero stay.
	Configure(ctx context.Context, c config.Config, secrets map[string]keystore.Secret) error
	// Wizard checks what is about to be saved, with the app's own keychain.
	Wizard() *wizard.Wizard
	// StartDryRun begins a sign-in as [wizard.DryRun.Start] does.
	StartDryRun(ctx context.Context, back string, certain bool) (string, error)
	// DryRun is how that sign-in stands.
	DryRun() wizard.TrialStatus
}

// The steps of Setup. Each is a form that is saved by itself, so that whoever
// comes back goes on where they were. The address comes first: the provider has
// to be told it.
const (
	stepWelcome  = "welcome"
	stepTunnel   = "tunnel"
	stepProvider = "provider"
	stepAccess   = "access"
	stepTry      = "try"
)

var setupSteps = []string{stepTunnel, stepProvider, stepAccess, stepTry}

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
			stepTunnel:   s.saveTunnel,
			stepProvider: s.saveProvider,
			stepAccess:   s.saveAccess,
			stepTry:      s.try,
		},
	}
}

type setup struct{ app Configurer }

// setupResult is what an action found, for the page that is drawn after it.
type setupResult struct {
	form    wizard.Form // as it was sent, but for secrets
	report  wizard.Report
	authURL string
}

// done leads to a step that is drawn afresh.
func (r *Request) done(step string) {
	r.URL.RawQuery = url.Values{"step": {step}}.Encode()
}

// mend is the error of a form with problems, each of which the page shows where
// it can be mended.
func (r *Request) mend(res *setupResult) error {
	r.Result = res
	return errors.New(r.Count("setup.mend", len(res.report.Problems)))
}

// form takes what was sent, but for secrets, which never go back.
func (r *Request) form(names ...string) wizard.Form {
	f := wizard.Form{}
	for _, name := range names {
		if r.PostForm.Has(name) {
			f[name] = r.Query(name)
		}
	}
	return f
}

func (r *Request) secret(name string, trim func(string) string) keystore.Secret {
	return keystore.NewSecret(trim(r.PostFormValue(name)))
}

// networkFields are how the internet is reached: two steps need it, and ask for
// it if it is wanting.
var networkFields = []string{wizard.FieldProxy, wizard.FieldNoProxy, wizard.FieldCAFile}

// network takes [network] into cand, if it was sent.
func (s *setup) network(r *Request, res *setupResult, cand *wizard.Candidate) {
	if !r.PostForm.Has(wizard.FieldProxy) {
		return
	}
	cand.Config.Network, cand.ProxyPassword = wizard.Network(res.form[wizard.FieldProxy], res.form[wizard.FieldNoProxy], res.form[wizard.FieldCAFile])
	res.form[wizard.FieldProxy] = cand.Config.Network.Proxy // without the password that may have been in it
	if typed := r.secret(wizard.FieldProxyPassword, strings.TrimSpace); !typed.IsZero() {
		cand.ProxyPassword = typed
	}
	res.report = s.app.Wizard().CheckNetwork(cand.Config.Network)
}

func (s *setup) saveTunnel(r *Request) (string, error) {
	r.done(stepTunnel)
	res := &setupResult{form: r.form(append(networkFields, wizard.FieldTunnel, wizard.FieldTunnelDomain, wizard.FieldPublicURL)...)}
	cand := wizard.Candidate{Config: s.app.Config(), Authtoken: r.secret(wizard.FieldAuthtoken, wizard.Authtoken)}
	s.network(r, res, &cand)
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
	}
	if res.report.OK() {
		res.report = s.app.Wizard().CheckTunnel(r.Context(), &cand)
	}
	if !res.report.OK() {
		return "", r.mend(res)
	}
	return s.save(r, res, cand, stepProvider)
}

func (s *setup) saveProvider(r *Request) (string, error) {
	kind := wizard.Kind(r.Query(wizard.FieldKind))
	if !kind.Known() {
		r.done(stepProvider)
		return "", errors.New(r.Say("setup.choose"))
	}
	r.URL.RawQuery = url.Values{"step": {stepProvider}, "kind": {string(kind)}}.Encode()
	names := append([]string{wizard.FieldClientID, wizard.FieldScopes, wizard.FieldTenants, wizard.FieldTrust, wizard.FieldGroupsClaim}, networkFields...)
	for _, f := range kind.Fields() {
		names = append(names, f.Name)
	}
	res := &setupResult{form: r.form(names...)}
	cand := wizard.Candidate{Config: s.app.Config(), ClientSecret: r.secret(wizard.FieldClientSecret, wizard.Trim), RedirectURI: s.redirectURI()}
	cand.Former = cand.Config.IDP.Issuer
	if s.network(r, res, &cand); res.report.OK() {
		res.report = s.app.Wizard().Locate(r.Context(), kind, res.form, &cand)
	}
	if res.report.OK() {
		res.report.Add(s.app.Wizard().CheckProvider(r.Context(), kind, &cand))
	}
	// What is entered at the provider keeps nobody from saving what is entered here.
	if slices.ContainsFunc(res.report.Problems, func(p wizard.Problem) bool { return p.Field != wizard.FieldRedirect }) {
		return "", r.mend(res)
	}
	if !res.report.OK() {
		said, err := s.save(r, res, cand, stepProvider)
		if err == nil {
			r.Warn, said = true, r.Say("setup.saved.redirect")
			r.Result = res
		}
		return said, err
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
	if res.report = s.app.Wizard().CheckAccess(cand); !res.report.OK() {
		return "", r.mend(res)
	}
	return s.save(r, res, cand, stepTry)
}

// save stores what was checked and leads to the next step, which shows the
// notes.
func (s *setup) save(r *Request, res *setupResult, cand wizard.Candidate, next string) (string, error) {
	r.Result = res
	err := s.app.Configure(r.Context(), cand.Config, map[string]keystore.Secret{
		keystore.IDPClientSecret: cand.ClientSecret, keystore.NgrokAuthtoken: cand.Authtoken, keystore.ProxyPassword: cand.ProxyPassword})
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

// try begins a dry run, which ends on this page of the console.
func (s *setup) try(r *Request) (string, error) {
	r.done(stepTry)
	if s.redirectURI() == "" {
		return "", errors.New(r.Say("setup.try.noURL"))
	}
	back := url.URL{Scheme: "http", Host: r.Host, Path: "/setup", RawQuery: r.URL.RawQuery}
	address, err := s.app.StartDryRun(r.Context(), back.String(), r.Query("anyway") == "")
	if err != nil {
		var pe *oauth.ProviderError
		if errors.As(err, &pe) { // the page says what
			err = errors.New(r.Say("setup.try.failed"))
		}
		return "", err
	}
	r.Result = &setupResult{authURL: address}
	return r.Say("setup.try.begun"), nil
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
	return assets.Translate(r.Lang, s.String())
}
