package wizard

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
)

// Kind is a kind of OpenID provider.
type Kind string

// The kinds.
const (
	Okta     Kind = "okta"
	Auth0    Kind = "auth0"
	Entra    Kind = "entra"
	Google   Kind = "google"
	Keycloak Kind = "keycloak"
	Other    Kind = "other"
)

// Kinds returns all kinds in the order in which a person chooses.
func Kinds() []Kind { return []Kind{Okta, Auth0, Entra, Google, Keycloak, Other} }

// Field is something to ask for besides client ID and client secret. Missing is
// what to say where it is empty; "" for one that may be.
type Field struct{ Name, Example, Missing string }

// The names of fields.
const (
	FieldDomain   = "domain"
	FieldServer   = "server" // Okta's authorization server: OrgServer, or an ID such as default
	FieldAudience = "audience"
	FieldTenant   = "tenant"
	FieldURL      = "url"
	FieldRealm    = "realm"
	FieldIssuer   = "issuer"

	// Seldom needed, and every kind's.
	FieldScopes      = "scopes"
	FieldGroupsClaim = "groups_claim"
	FieldTenants     = "tenants"
	FieldTrust       = "trust_email"
)

// OrgServer stands for Okta's org authorization server, which has no ID.
const OrgServer = "org"

// googleIssuer is the one issuer of all Google accounts.
const googleIssuer = "https://accounts.google.com"

// about is what is special about a kind.
type about struct {
	name   string // as people know it, and as package idp calls it
	fields []Field
	issuer func(Form) (string, *Problem)
	form   func(issuer *url.URL) Form // the reverse
	steps  []string                   // where to click there; {redirect} is filled in
	at     string                     // where there is; "" where only its owner knows
}

const noDomain = "The domain is missing. It is the host in the address bar while you are signed in at the provider."

var kinds = map[Kind]about{
	Okta: {"Okta", []Field{{FieldDomain, "dev-123456.okta.com", noDomain}, {Name: FieldServer, Example: "default"}},
		oktaIssuer, oktaForm, oktaSteps, "https://www.okta.com/login/"},
	Auth0: {"Auth0", []Field{{FieldDomain, "tenant.eu.auth0.com", noDomain}, {Name: FieldAudience, Example: "https://api.example.com"}},
		auth0Issuer, func(u *url.URL) Form { return Form{FieldDomain: u.Host} }, auth0Steps, "https://manage.auth0.com/"},
	Entra: {"Microsoft Entra", []Field{{FieldTenant, "9188040d-6c67-4c5b-b112-36a304b66dad", "The tenant ID is missing. It is on the app registration's Overview page, as Directory (tenant) ID."}},
		entraIssuer, func(u *url.URL) Form { return Form{FieldTenant: pathPart(u, 0)} }, entraSteps, "https://entra.microsoft.com/"},
	Google: {"Google", nil, func(Form) (string, *Problem) { return googleIssuer, nil }, func(*url.URL) Form { return Form{} }, googleSteps, "https://console.cloud.google.com/auth/clients"},
	Keycloak: {"Keycloak", []Field{{FieldURL, "https://sso.example.com", "The URL of Keycloak is missing. It is what stands before /realms or /admin in its addresses."},
		{FieldRealm, "main", "The realm is missing. Its name stands at the top left of Keycloak's admin console."}},
		keycloakIssuer, keycloakForm, keycloakSteps, ""},
	Other: {"", []Field{{FieldIssuer, "https://idp.example.com", "The issuer is missing. The provider's documentation, or its discovery document, says what it is."}, {Name: FieldAudience, Example: "https://api.example.com"}},
		otherIssuer, func(u *url.URL) Form { return Form{FieldIssuer: u.String()} }, otherSteps, ""},
}

// Known reports whether k is one of [Kinds].
func (k Kind) Known() bool { _, ok := kinds[k]; return ok }

// Name is what people call the kind; "" for [Other].
func (k Kind) Name() string { return kinds[k].name }

// Console is where an app is registered at the provider; "" where that is the
// owner's own place.
func (k Kind) Console() string { return kinds[k].at }

// Fields are what to ask for.
func (k Kind) Fields() []Field { return slices.Clone(kinds[k].fields) }

// Form is what a person filled in, by the name of the field.
type Form map[string]string

// Issuer is the issuer that f means, byte for byte as such providers spell it.
// It forgives what people paste: see [Okta] and the others in input.go. Whether
// it is there, [Wizard.Resolve] finds out.
func (k Kind) Issuer(f Form) (string, []Problem) {
	var problems []Problem
	for _, field := range k.Fields() {
		switch value := strings.TrimSpace(f[field.Name]); {
		case len(value) > maxInput:
			problems = append(problems, Problem{field.Name, say("This is too long to be right. Paste it again.")})
		case value == "" && field.Missing != "":
			problems = append(problems, Problem{field.Name, say(field.Missing)})
		}
	}
	if len(problems) > 0 {
		return "", problems
	}
	issuer, problem := kinds[k].issuer(f)
	if problem != nil {
		return "", []Problem{*problem}
	}
	c := config.Default()
	c.IDP.Issuer = issuer
	if c.Validate() != nil {
		return "", []Problem{{k.Fields()[0].Name, say("This makes no address that can be used. Paste it again.")}}
	}
	return issuer, nil
}

// KindOf recognises the kind by an issuer, and gives what a form for it would
// have held. An empty issuer is no kind.
func KindOf(c config.IDP) (Kind, Form) {
	u, err := url.Parse(c.Issuer)
	if err != nil || c.Issuer == "" {
		return "", Form{}
	}
	kind := Other
	for k, a := range kinds {
		if a.name != "" && a.name == idp.NameOf(c.Issuer) {
			kind = k
		}
	}
	if kind == Other && strings.Trim(u.Path, "/") == "" && strings.HasPrefix(c.ClientID, "0oa") {
		kind = Okta // at the customer's own domain: its client IDs give it away
	}
	f := kinds[kind].form(u)
	if slices.ContainsFunc(kind.Fields(), func(field Field) bool { return field.Name == FieldAudience }) {
		f[FieldAudience] = c.Audience
	}
	return kind, f
}

// IDP is the provider's part of a configuration: old with the issuer, client ID
// and audience of a form. Scopes that the person added are kept; an audience
// that no field asks for is kept as long as it is the same issuer's. Scopes,
// tenants and trust are f's where it has scopes at all.
func (k Kind) IDP(old config.IDP, issuer string, f Form) config.IDP {
	switch {
	case slices.ContainsFunc(k.Fields(), func(field Field) bool { return field.Name == FieldAudience }):
		old.Audience = Trim(f[FieldAudience])
	case old.Issuer != issuer:
		old.Audience = ""
	}
	if scopes, sent := f[FieldScopes]; sent {
		old.Scopes, old.Tenants, old.TrustEmail = words(scopes), words(f[FieldTenants]), f[FieldTrust] != ""
		usual := config.Default().IDP
		if old.GroupsClaim = cmp.Or(Trim(f[FieldGroupsClaim]), usual.GroupsClaim); len(old.Scopes) == 0 {
			old.Scopes = usual.Scopes
		}
	}
	old.Issuer, old.ClientID = issuer, Trim(f[FieldClientID])
	return old
}

// groupsScope is what some providers want to hear before they name groups.
const groupsScope = "groups"

// WithScopes asks for what the access list needs: Okta's org authorization
// server names groups for the scope of that name; its custom ones refuse a
// scope that nobody made.
func WithScopes(c config.Config) config.Config {
	kind, f := KindOf(c.IDP)
	c.IDP.Scopes = slices.Clone(c.IDP.Scopes)
	has := slices.Contains(c.IDP.Scopes, groupsScope)
	wants := kind == Okta && f[FieldServer] == OrgServer && len(c.Access.Groups) > 0
	switch {
	case wants && !has:
		c.IDP.Scopes = append(c.IDP.Scopes, groupsScope)
	case has && (kind == Okta && f[FieldServer] != OrgServer || kind == Google || kind == Entra):
		c.IDP.Scopes = slices.DeleteFunc(c.IDP.Scopes, func(s string) bool { return s == groupsScope })
	}
	return c
}
