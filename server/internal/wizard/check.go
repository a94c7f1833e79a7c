package wizard

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Candidate is a configuration as it would be after saving. A secret that is
// zero stays as it is.
type Candidate struct {
	Config                  config.Config
	ClientSecret, Authtoken keystore.Secret
	ProxyPassword           keystore.Secret
	// Former is the issuer whose client secret the keychain holds; "" if nobody
	// knows. Another host does not get to see that secret.
	Former string
	// RedirectURI is what the provider must know: PUBLIC_URL/auth/callback.
	// "" while nobody can tell; it is not checked then.
	RedirectURI string
}

// Report is what a check found. Notes don't stand in the way.
type Report struct {
	Problems []Problem
	Notes    []Sentence
	Away     bool // the provider did not answer, so that nothing is known to be wrong
}

// OK reports whether nothing stands in the way.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// Add takes over what another check found.
func (r *Report) Add(other Report) {
	r.Problems = append(r.Problems, other.Problems...)
	r.Notes = append(r.Notes, other.Notes...)
	r.Away = r.Away || other.Away
}

func (r *Report) problem(field, text string, words ...string) {
	r.Problems = append(r.Problems, Problem{field, say(text, words...)})
}

func (r *Report) note(text string, words ...string) {
	r.Notes = append(r.Notes, say(text, words...))
}

// faults are what the configuration's own checks find, as the forms say it, by
// its keys.
var faults = map[string]Problem{
	"access.emails":    {FieldEmails, say("One of these is no whole address. Write each as ana@example.com, one a line.")},
	"access.domains":   {FieldDomains, say("One of these is no domain. Write each as example.com, one a line, without patterns.")},
	"access.groups":    {FieldGroups, say("One of these is no name of a group. Write each as the provider spells it, one a line.")},
	"idp.tenants":      {FieldTenant, say("Groups and domains are what each organisation says of itself, and this tenant stands for every organisation at Microsoft. Enter your own tenant ID, or name those that may sign in under Tenants.")},
	"network.proxy":    {FieldProxy, say("This is no address of a proxy. Enter it as http://proxy.example.com:8080, with NAME@ before the host if it wants a user name.")},
	"network.no_proxy": {FieldNoProxy, say("One of these is no host, domain or network. Write each as intranet.example.com, .example.com or 10.0.0.0/8, one a line.")},
	"network.ca_file":  {FieldCAFile, say("This is no path of a file. Enter the path of the PEM file with your company's authority.")},
}

// configured says what is wrong with c in tables.
func (r *Report) configured(c config.Config, tables ...string) {
	for _, e := range config.Errors(c.Validate()) {
		key, _, _ := strings.Cut(e.Key, "[")
		if fault, known := faults[key]; known && slices.ContainsFunc(tables, func(t string) bool { return strings.HasPrefix(key, t) }) {
			r.Problems = append(r.Problems, fault)
		}
	}
}

// CheckProvider asks the provider what can be asked without a person. kind is
// what the person chose, which the issuer need not show. It may put the issuer
// into the provider's own spelling.
func (w *Wizard) CheckProvider(ctx context.Context, kind Kind, c *Candidate) Report {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	w = w.by(c.Config.Network, c.ProxyPassword)
	var r Report
	if !kind.Known() || c.Config.IDP.Issuer == "" {
		r.problem(FieldKind, "Choose your provider first.")
		return r
	}
	r.clientID(kind, c.Config.IDP.ClientID)
	r.clientSecret(kind, c, w.stored(ctx, keystore.IDPClientSecret) && SameSecret(c.Former, c.Config.IDP.Issuer))
	c.Config.IDP.Issuer = w.look(ctx, kind, c.Config.IDP.Issuer, &r)
	if r.OK() {
		w.askProvider(ctx, c, &r)
	}
	return r
}

// SameSecret reports whether a client secret that was stored for the issuer
// former may be shown to the provider of issuer: to another host it may not.
func SameSecret(former, issuer string) bool {
	a, errA := url.Parse(former)
	b, errB := url.Parse(issuer)
	return former == "" || errA == nil && errB == nil && hostname.Same(a.Host, b.Host)
}

// askProvider asks whether the provider takes client ID, secret and redirect
// URI.
func (w *Wizard) askProvider(ctx context.Context, c *Candidate, r *Report) {
	client := w.client(c.Config.IDP, c.ClientSecret, c.RedirectURI)
	if err := client.CheckClient(ctx); err != nil {
		field := FieldClientSecret
		if strings.Contains(fromProvider(err).Text, "client ID in this tenant") {
			field = FieldClientID
		}
		r.Problems = append(r.Problems, Problem{field, fromProvider(err)})
		r.Away = oauth.IsProviderError(err, oauth.ProviderUnreachable)
		return
	}
	if c.RedirectURI == "" {
		return
	}
	known, err := client.CheckRedirect(ctx)
	switch {
	case oauth.IsProviderError(err, oauth.ProviderUnreachable):
		r.note("Whether the provider knows the redirect URI could not be asked. It must be {redirect}", "redirect", c.RedirectURI)
	case err != nil:
		r.Problems = append(r.Problems, Problem{FieldRedirect, fromProvider(err)})
	case known == idp.RedirectUntold:
		r.note("The provider does not say whether it knows the redirect URI: the dry run will. It must be {redirect}", "redirect", c.RedirectURI)
	}
}

// stored is a secret of the keychain, or the zero Secret.
func (w *Wizard) stored(ctx context.Context, account string) bool {
	if w.Keystore == nil {
		return false
	}
	text, err := keystore.Text(ctx, w.Keystore, account)
	return text != "" || err != nil // one that is locked away may well be there: it is asked for when it is used
}

var (
	uuid        = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	oktaApp     = regexp.MustCompile(`^0oa[0-9A-Za-z]{17}$`)
	visible     = regexp.MustCompile(`^[!-~]+$`)
	googleEnd   = ".apps.googleusercontent.com"
	googleStart = "GOCSPX-"
)

// clientID says what a client ID of kind can't be.
func (r *Report) clientID(kind Kind, id string) {
	switch {
	case id == "":
		r.problem(FieldClientID, "The client ID is missing. Copy it from the app at the provider.")
	case !visible.MatchString(id) || len(id) > 512:
		r.problem(FieldClientID, "A client ID has no spaces in it. Copy it again from the app at the provider.")
	case strings.Contains(id, "://"):
		r.problem(FieldClientID, "This is an address, not a client ID. Copy the client ID from the app at the provider.")
	case kind == Entra && !uuid.MatchString(id):
		r.problem(FieldClientID, "This is no client ID of Microsoft Entra. Copy Application (client) ID from the app registration's Overview page: 32 digits and letters in five groups.")
	case kind == Google && !strings.HasSuffix(id, googleEnd):
		r.problem(FieldClientID, "This is no client ID of Google. It ends in .apps.googleusercontent.com: copy it from the client's page in the Google Cloud console.")
	case kind == Okta && strings.HasPrefix(id, "aus") && len(id) == 20:
		r.problem(FieldClientID, "This is the ID of an authorization server. Copy the client ID from the app's tab General at Okta: it begins with 0oa.")
	case kind == Okta && !oktaApp.MatchString(id):
		r.note("Okta's client IDs mostly begin with 0oa and have 20 characters. If signing in fails, compare it with the app's tab General.")
	}
}

// clientSecret says what a client secret of kind can't be.
func (r *Report) clientSecret(kind Kind, c *Candidate, stored bool) {
	s := c.ClientSecret.Reveal()
	switch {
	case s == "" && !stored:
		r.problem(FieldClientSecret, "The client secret is missing. Copy it from the app at the provider; it goes into the keychain and is not shown again.")
	case s == "":
	case len(s) > keystore.MaxSize:
		r.problem(FieldClientSecret, "This is too long for a client secret. Copy it again from the app at the provider.")
	case strings.ContainsAny(s, "\r\n\t "):
		r.problem(FieldClientSecret, "A client secret has no spaces in it. Copy it again from the app at the provider.")
	case s == c.Config.IDP.ClientID && kind != Other: // who runs a provider may choose it so, as the demo's: that one is asked
		r.problem(FieldClientSecret, "This is the client ID once more. Copy the client secret from the app at the provider.")
	case kind == Entra && uuid.MatchString(s):
		r.problem(FieldClientSecret, "This is the Secret ID. Copy the secret's Value from Certificates & secrets; if it is not shown any more, make a new secret.")
	case kind == Google && strings.HasSuffix(s, googleEnd), kind != Google && strings.HasPrefix(s, googleStart):
		r.problem(FieldClientSecret, "This does not belong to this provider. Copy the client secret from the app there.")
	}
}
