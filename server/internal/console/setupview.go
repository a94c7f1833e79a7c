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
	Next  string // the step after this; "" after the last

	Problems []setupProblem
	Notes    []string

	Kind        wizard.Kind // chosen; "" shows the choice
	KindName    string
	Kinds       []wizard.Kind
	Where       []string // what to do at the provider
	Fields      map[string]setupField
	Order       []setupField // of the kind
	Servers     []setupServer
	Network     bool // how the provider is reached is worth a look
	Look        bool // Okta's servers have not been looked for
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

type setupProblem struct{ Field, Text string }

// setupField is one entry of a form.
type setupField struct {
	Name, Value, Example, Error string
	Optional, Secret, Lines     bool
	Has                         bool // the keychain holds this secret
}

type setupServer struct {
	wizard.Server
	Says    string
	Checked bool
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
	v := &setupView{Step: s.step(c, query.Get("step")), Kinds: wizard.Kinds(), RedirectURI: s.redirectURI(), Fields: map[string]setupField{}}
	s.steps(v, c)
	for _, n := range res.report.Notes {
		v.Notes = append(v.Notes, r.sentence(n))
	}
	for _, p := range res.report.Problems {
		v.Problems = append(v.Problems, setupProblem{p.Field, r.sentence(p.Sentence)})
	}
	switch v.Step {
	case stepProvider:
		s.drawProvider(r, v, c, res, wizard.Kind(query.Get("kind")))
	case stepTunnel:
		s.drawTunnel(v, c, res)
	case stepAccess:
		s.drawAccess(v, c, res)
	case stepTry:
		if kind, _ := wizard.KindOf(c.IDP); kind != "" {
			s.describe(r, v, kind)
		}
		v.AuthURL = webAddress(res.authURL)
	}
	v.TunnelSays, v.Trial = live.TunnelSays, live.Trial
	return v
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

// step is the step asked for, else the first that is not done.
func (s *setup) step(c config.Config, asked string) string {
	if slices.Contains(setupSteps, asked) {
		return asked
	}
	for _, name := range setupSteps {
		if !s.isDone(c, name) {
			return name
		}
	}
	return stepTry
}

func (s *setup) isDone(c config.Config, step string) bool {
	switch step {
	case stepProvider:
		return len(c.Missing()) == 0 && s.app.HasSecret(keystore.IDPClientSecret)
	case stepTunnel:
		return s.redirectURI() != "" && (c.TunnelProvider(false) != config.TunnelNgrok || s.app.HasSecret(keystore.NgrokAuthtoken))
	case stepAccess:
		return !c.Access.Empty()
	}
	st := s.app.DryRun()
	return st.Result != nil && st.Result.Allowed
}

func (s *setup) steps(v *setupView, c config.Config) {
	for i, name := range setupSteps {
		v.Steps = append(v.Steps, setupStep{name, s.isDone(c, name), name == v.Step})
		if name == v.Step && i+1 < len(setupSteps) {
			v.Next = setupSteps[i+1]
		}
	}
}

// field adds an entry: as it was sent, else as it is configured.
func (v *setupView) field(res *setupResult, f setupField) setupField {
	if sent, ok := res.form[f.Name]; ok && !f.Secret {
		f.Value = sent
	}
	for _, p := range v.Problems {
		if p.Field == f.Name {
			f.Error = p.Text
		}
	}
	v.Fields[f.Name] = f
	return f
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
		v.Order = append(v.Order, v.field(res, setupField{Name: f.Name, Value: configured[f.Name], Example: f.Example, Optional: f.Optional}))
	}
	v.field(res, setupField{Name: wizard.FieldClientID, Value: c.IDP.ClientID})
	v.field(res, setupField{Name: wizard.FieldClientSecret, Secret: true, Has: has})
	s.drawNetwork(v, c.Network, res)
	if kind == wizard.Okta {
		s.drawServers(r, v, res, configured)
	}
}

// drawNetwork shows [network], open where it is set or was found to be wanting.
func (s *setup) drawNetwork(v *setupView, n config.Network, res *setupResult) {
	for _, f := range []setupField{
		{Name: wizard.FieldProxy, Value: n.Proxy, Example: "http://proxy.example.com:8080", Optional: true},
		{Name: wizard.FieldProxyPassword, Secret: true, Has: n.Proxy != "" && s.app.HasSecret(keystore.ProxyPassword), Optional: true},
		{Name: wizard.FieldNoProxy, Value: strings.Join(n.NoProxy, "\n"), Lines: true, Optional: true},
		{Name: wizard.FieldCAFile, Value: n.CAFile, Example: "/etc/ssl/company.pem", Optional: true},
	} {
		f = v.field(res, f)
		v.Network = v.Network || f.Value != "" || f.Error != ""
	}
}

// drawServers shows the servers found, or the one that is configured.
func (s *setup) drawServers(r *Request, v *setupView, res *setupResult, configured wizard.Form) {
	v.Order = slices.DeleteFunc(v.Order, func(f setupField) bool { return f.Name == wizard.FieldServer })
	chosen := cmp.Or(res.form[wizard.FieldServer], configured[wizard.FieldServer])
	found := res.servers
	if found == nil && chosen != "" {
		found = []wizard.Server{{ID: chosen, OK: true}}
	}
	for _, server := range found {
		v.Servers = append(v.Servers, setupServer{server, r.sentence(server.Says), server.ID == chosen})
	}
	v.Look = len(v.Servers) == 0
}

func (s *setup) describe(r *Request, v *setupView, kind wizard.Kind) {
	v.Kind, v.KindName = kind, r.Say("setup.kind."+string(kind))
	if kind == wizard.Other {
		v.KindName = r.Say("setup.yours") // "at Another OpenID provider" reads as if it were a name
	}
	redirect := cmp.Or(v.RedirectURI, r.Say("setup.redirect.later"))
	for _, step := range kind.Steps(redirect) {
		v.Where = append(v.Where, r.sentence(step))
	}
}

func (s *setup) drawTunnel(v *setupView, c config.Config, res *setupResult) {
	v.Tunnel = res.form[wizard.FieldTunnel]
	if _, sent := res.form[wizard.FieldTunnel]; !sent && (c.Tunnel.Provider != "" || c.PublicURL != "" || s.app.HasSecret(keystore.NgrokAuthtoken)) {
		v.Tunnel = c.TunnelProvider(s.app.HasSecret(keystore.NgrokAuthtoken))
	}
	v.field(res, setupField{Name: wizard.FieldTunnel})
	v.field(res, setupField{Name: wizard.FieldAuthtoken, Secret: true, Has: s.app.HasSecret(keystore.NgrokAuthtoken)})
	v.field(res, setupField{Name: wizard.FieldTunnelDomain, Value: c.Tunnel.Domain, Example: "name.ngrok.app", Optional: true})
	v.field(res, setupField{Name: wizard.FieldPublicURL, Value: c.PublicURL, Example: "https://bridge.example.com", Optional: true})
}

func (s *setup) drawAccess(v *setupView, c config.Config, res *setupResult) {
	lines := func(list []string) string { return strings.Join(list, "\n") }
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
