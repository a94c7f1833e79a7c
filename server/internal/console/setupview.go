package console

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// setupView is what Setup shows.
type setupView struct {
	Step  string
	Steps []setupStep

	Notes     []string
	Elsewhere []string               // problems of fields that this page does not have
	Fields    map[string]*setupField // by name
	Errors    map[string]string      // of what is no field: how the internet gets here, the redirect URI

	Kind        wizard.Kind // chosen; "" shows the choice
	KindName    string
	Kinds       []wizard.Kind
	Console     string        // where to register Drawbridge
	Where       []string      // what to do there
	Order       []*setupField // of the kind
	Seldom      []*setupField // and what it seldom needs
	Network     bool          // how the internet is reached is worth a look
	Advanced    bool          // so is what is seldom needed
	Trust       bool
	RedirectURI string

	Tunnel     string // chosen
	TunnelSays string // why it is not open
	Anyone     bool

	Trial   *setupTrial
	AuthURL string
}

type setupStep struct {
	Name          string
	Done, Current bool
}

// setupField is one entry of a form.
type setupField struct {
	Name, Value, Example, Error string
	Optional, Secret, Lines     bool
	Has                         bool // the keychain holds this secret
}

// draw gathers what the page shows. Its stream, which asks every second, needs
// what changes by itself and no more: a keychain is slow to ask, and a locked
// one opens a window.
func (s *setup) draw(r *Request) *setupView {
	live := &setupView{TunnelSays: r.sentence(wizard.TunnelSays(r.Snap.Status.Tunnel.Error)), Trial: drawTrial(r, s.app.DryRun())}
	if r.Header.Get("Accept") == ndjson {
		return live
	}
	s = &setup{app: remembering{s.app, map[string]bool{}}}
	res, _ := r.Result.(*setupResult)
	if res == nil {
		res = &setupResult{}
	}
	c := s.app.Config()
	query := r.URL.Query()
	v := &setupView{Step: s.step(c, query.Get("step")), Kinds: wizard.Kinds(), RedirectURI: s.redirectURI(), Fields: map[string]*setupField{}, Errors: map[string]string{}}
	for _, name := range setupSteps {
		v.Steps = append(v.Steps, setupStep{name, s.isDone(c, name), name == v.Step})
	}
	for _, n := range res.report.Notes {
		v.Notes = append(v.Notes, r.sentence(n))
	}
	switch v.Step {
	case stepTunnel:
		s.drawTunnel(v, c, res)
	case stepProvider:
		s.drawProvider(r, v, c, res, wizard.Kind(query.Get("kind")))
	case stepAccess:
		s.drawAccess(v, c, res)
	case stepTry:
		v.AuthURL = webAddress(res.authURL)
	}
	for _, p := range res.report.Problems {
		v.show(p.Field, r.sentence(p.Sentence))
	}
	v.TunnelSays, v.Trial = live.TunnelSays, live.Trial
	return v
}

// show puts a problem where it can be mended, and nowhere else.
func (v *setupView) show(field, text string) {
	switch f := v.Fields[field]; {
	case f != nil:
		f.Error = text
		v.Network = v.Network || slices.Contains(networkFields, field) || field == wizard.FieldProxyPassword
		v.Advanced = v.Advanced || slices.Contains(v.Seldom, f)
	case field == wizard.FieldTunnel || field == wizard.FieldRedirect && v.Kind != "":
		v.Errors[field] = text
	default:
		v.Elsewhere = append(v.Elsewhere, text)
	}
}

// remembering asks the keychain once for each account.
type remembering struct {
	Configurer
	has map[string]bool
}

func (r remembering) HasSecret(account string) bool {
	has, known := r.has[account]
	if !known {
		has = r.Configurer.HasSecret(account)
		r.has[account] = has
	}
	return has
}

// step is the step asked for, else the first that is not done; the welcome while
// nothing is.
func (s *setup) step(c config.Config, asked string) string {
	if asked == stepWelcome || slices.Contains(setupSteps, asked) {
		return asked
	}
	left := slices.DeleteFunc(slices.Clone(setupSteps), func(name string) bool { return s.isDone(c, name) })
	switch len(left) {
	case 0:
		return stepTry
	case len(setupSteps):
		return stepWelcome
	}
	return left[0]
}

func (s *setup) isDone(c config.Config, step string) bool {
	switch step {
	case stepTunnel:
		return s.redirectURI() != "" && (c.TunnelProvider(false) != config.TunnelNgrok || s.app.HasSecret(keystore.NgrokAuthtoken))
	case stepProvider:
		return len(c.Missing()) == 0 && s.app.HasSecret(keystore.IDPClientSecret)
	case stepAccess:
		return !c.Access.Empty()
	}
	st := s.app.DryRun()
	return st.Result != nil && st.Result.Allowed
}

// field adds an entry: as it was sent, else as it is configured.
func (v *setupView) field(res *setupResult, f setupField) *setupField {
	if sent, ok := res.form[f.Name]; ok && !f.Secret {
		f.Value = sent
	}
	v.Fields[f.Name] = &f
	return &f
}

func (s *setup) drawTunnel(v *setupView, c config.Config, res *setupResult) {
	has := s.app.HasSecret(keystore.NgrokAuthtoken)
	v.Tunnel = config.TunnelNgrok // which is what nearly everybody needs
	if c.Tunnel.Provider != "" || c.PublicURL != "" {
		v.Tunnel = c.TunnelProvider(has)
	}
	v.Tunnel = cmp.Or(res.form[wizard.FieldTunnel], v.Tunnel)
	v.field(res, setupField{Name: wizard.FieldAuthtoken, Secret: true, Has: has})
	v.field(res, setupField{Name: wizard.FieldTunnelDomain, Value: c.Tunnel.Domain, Example: "name.ngrok.app", Optional: true})
	v.field(res, setupField{Name: wizard.FieldPublicURL, Value: c.PublicURL, Example: "https://bridge.example.com", Optional: true})
	s.drawNetwork(v, c.Network, res)
}

func (s *setup) drawProvider(r *Request, v *setupView, c config.Config, res *setupResult, asked wizard.Kind) {
	kind, configured := wizard.KindOf(c.IDP)
	if asked == "" && r.URL.Query().Has("kind") { // to choose anew
		return
	}
	has := s.app.HasSecret(keystore.IDPClientSecret)
	if asked.Known() && asked != kind {
		has = has && kind == "" // else it is another provider's
		kind, configured = asked, wizard.Form{}
		c.IDP.ClientID = ""
	}
	if kind == "" {
		return
	}
	s.describe(r, v, kind)
	for _, f := range kind.Fields() {
		list := &v.Order
		if f.Missing == "" {
			list = &v.Seldom
		}
		*list = append(*list, v.field(res, setupField{Name: f.Name, Value: configured[f.Name], Example: f.Example, Optional: f.Missing == ""}))
	}
	v.field(res, setupField{Name: wizard.FieldClientID, Value: c.IDP.ClientID})
	v.field(res, setupField{Name: wizard.FieldClientSecret, Secret: true, Has: has})
	s.drawNetwork(v, c.Network, res)
	v.Seldom = append(v.Seldom, v.field(res, setupField{Name: wizard.FieldScopes, Value: lines(c.IDP.Scopes), Lines: true, Optional: true}))
	v.Seldom = append(v.Seldom, v.field(res, setupField{Name: wizard.FieldGroupsClaim, Value: c.IDP.GroupsClaim, Example: "realm_access.roles", Optional: true}))
	if kind == wizard.Entra {
		v.Seldom = append(v.Seldom, v.field(res, setupField{Name: wizard.FieldTenants, Value: lines(c.IDP.Tenants), Lines: true, Optional: true}))
	}
	v.Trust = c.IDP.TrustEmail
	if res.form != nil {
		v.Trust = res.form[wizard.FieldTrust] != ""
	}
}

// drawNetwork shows [network], open where it is set or was found to be wanting.
func (s *setup) drawNetwork(v *setupView, n config.Network, res *setupResult) {
	for _, f := range []setupField{
		{Name: wizard.FieldProxy, Value: n.Proxy, Example: "http://proxy.example.com:8080", Optional: true},
		{Name: wizard.FieldProxyPassword, Secret: true, Has: n.Proxy != "" && s.app.HasSecret(keystore.ProxyPassword), Optional: true},
		{Name: wizard.FieldNoProxy, Value: lines(n.NoProxy), Lines: true, Optional: true},
		{Name: wizard.FieldCAFile, Value: n.CAFile, Example: "/etc/ssl/company.pem", Optional: true},
	} {
		v.Network = v.field(res, f).Value != "" || v.Network
	}
}

func lines(list []string) string { return strings.Join(list, "\n") }

func (s *setup) describe(r *Request, v *setupView, kind wizard.Kind) {
	v.Kind, v.KindName, v.Console = kind, r.Say("setup.kind."+string(kind)), kind.Console()
	if kind == wizard.Other {
		v.KindName = r.Say("setup.yours") // "at Another OpenID provider" reads as if it were a name
	}
	redirect := cmp.Or(v.RedirectURI, r.Say("setup.redirect.later"))
	for _, step := range kind.Steps(redirect) {
		v.Where = append(v.Where, r.sentence(step))
	}
}

func (s *setup) drawAccess(v *setupView, c config.Config, res *setupResult) {
	v.field(res, setupField{Name: wizard.FieldEmails, Value: lines(c.Access.Emails), Lines: true, Optional: true})
	v.field(res, setupField{Name: wizard.FieldDomains, Value: lines(c.Access.Domains), Lines: true, Optional: true})
	v.field(res, setupField{Name: wizard.FieldGroups, Value: lines(c.Access.Groups), Lines: true, Optional: true})
	v.Anyone = c.Access.Anyone
	if res.form != nil {
		v.Anyone = res.form[wizard.FieldAnyone] != ""
	}
}

// webAddress returns address if it is one that a link may have.
func webAddress(address string) string {
	if u, err := url.Parse(address); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		return address
	}
	return ""
}

// setupTrial is a dry run as the page shows it.
type setupTrial struct {
	State    wizard.TrialState
	Says     string
	Unsure   bool // only a sign-in can tell whether the redirect URI is known
	Facts    []setupFact
	Allowed  bool
	Verdict  string
	Warnings []string
	NoGroups string // why, where it does not matter enough for a warning
}

// setupFact is one line of a result: the key of what it is, and what it is.
type setupFact struct {
	Key   string
	Value string
}

func drawTrial(r *Request, st wizard.TrialStatus) *setupTrial {
	t := &setupTrial{State: st.State, Says: r.sentence(st.Says), Unsure: st.Unsure}
	res := st.Result
	if res == nil {
		return t
	}
	t.Allowed, t.Verdict = res.Allowed, r.sentence(res.Verdict)
	for _, w := range res.Warnings {
		t.Warnings = append(t.Warnings, r.sentence(w))
	}
	fact := func(key, value string) {
		if value == "" {
			value = r.Say("setup.trial.none")
		}
		t.Facts = append(t.Facts, setupFact{"setup.trial." + key, value})
	}
	yes := func(is bool) string {
		if is {
			return r.Say("setup.yes")
		}
		return r.Say("setup.no")
	}
	fact("name", res.Name)
	fact("email", res.Email)
	if res.Email != "" {
		fact("verified", yes(res.Verified))
	}
	fact("groups", strings.Join(res.Groups, ", "))
	if why := r.sentence(res.NoGroups); why != "" && !slices.Contains(t.Warnings, why) {
		t.NoGroups = why
	}
	fact("refresh", yes(res.Refresh))
	fact("scopes", strings.Join(res.Scopes, " "))
	return t
}
