package idp

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// profile is what is special about a provider, recognised by its issuer.
type profile struct {
	name    string // as people know it; "" for one that we don't know
	matches func(issuer *url.URL) bool

	authorize       map[string]string // extra parameters of the authorization request
	prompt          string            // a prompt it needs to give a refresh token
	noOfflineAccess bool              // refuses the scope offline_access
	sendsAudience   bool              // takes the audience as a parameter of the authorization request
	noUserGroups    bool              // its userinfo never has groups
	scopeNames      map[string]string // what its token response calls a scope → what we asked for

	groupsCure string // what to do there if it names no groups

	// verified is the claim that says whether the address is proven; "":
	// email_verified.
	verified string
	// domain is the claim that holds the organisation's domain; "": the
	// verified address's domain.
	domain string

	sentences []sentence
}

// sentence is what a person is told when the provider answers code, with a
// description that mentions something.
type sentence struct {
	code     string // the error code of RFC 6749 and its extensions; "" for any
	mentions string // part of the description; "" for any
	kind     oauth.ProviderErrorKind
	says     string // {Name}, {name}, {org} and {redirect} are filled in
}

func (s sentence) matches(code, description string) bool {
	if s.code != "" && s.code != code {
		return false
	}
	at := strings.Index(description, s.mentions)
	if at < 0 {
		return false
	}
	// AADSTS50011 is not AADSTS500113.
	rest := description[at+len(s.mentions):]
	return s.mentions == "" || rest == "" || rest[0] < '0' || rest[0] > '9'
}

const (
	unreachable   = oauth.ProviderUnreachable
	refused       = oauth.ProviderRefused
	misconfigured = oauth.ProviderMisconfigured
)

// NameOf is what people call the provider of an issuer: Okta, Microsoft Entra,
// Google, Auth0, Keycloak, or "" for one that is not known.
func NameOf(issuer string) string { return profileOf(issuer).name }

// profileOf recognises a provider by its issuer; the first that matches wins.
func profileOf(issuer string) *profile {
	if u, err := url.Parse(issuer); err == nil {
		for _, p := range profiles {
			if p.matches(u) {
				return p
			}
		}
	}
	// Others, such as Ory Hydra, take the audience as Auth0 does; the rest
	// ignore a parameter they don't know (RFC 6749 §3.1).
	return &profile{sendsAudience: true, groupsCure: "The provider names no groups. Let its ID token carry a claim named groups."}
}

var profiles = []*profile{oktaCustom, oktaOrg, entra, google, auth0, keycloak}

// hostIn returns a test for hosts that are, or are below, one of domains.
func hostIn(domains ...string) func(*url.URL) bool {
	return func(u *url.URL) bool {
		host := hostname.Lower(u.Hostname())
		return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
	}
}

var (
	isOkta         = hostIn("okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil")
	oktaServerPath = regexp.MustCompile(`^/oauth2/(default|aus[0-9A-Za-z]+)$`)
)

// oktaOrg is Okta's org authorization server. Its access tokens are for Okta's
// own APIs, its ID tokens thin: e-mail address and groups are often in
// userinfo only.
var oktaOrg = &profile{
	name:       "Okta",
	matches:    isOkta,
	groupsCure: "Okta names no groups. On the app's tab Sign On, under OpenID Connect ID Token, set the groups claim filter to groups, Matches regex, .*",
	sentences:  oktaSentences,
}

// oktaCustom is an authorization server that the customer made, at Okta's
// domain or their own.
var oktaCustom = &profile{
	name: "Okta",
	matches: func(u *url.URL) bool {
		return oktaServerPath.MatchString(u.Path) || isOkta(u) && strings.HasPrefix(u.Path, "/oauth2/")
	},
	groupsCure: "Okta names no groups. Add a claim named groups to the ID token under Security, API, this authorization server, Claims.",
	sentences: append([]sentence{
		{"server_error", "feature is not enabled", misconfigured, "This Okta organisation has no custom authorization servers (API Access Management). Use the organisation's own: {org}."},
		{"access_denied", "olicy evaluation failed", refused, "Okta refused the sign-in: no access policy of this authorization server lets this app or person in. Ask your Okta administrator to add a policy with a rule for it, or leave the authorization server empty in Setup: the organisation's own needs none."},
	}, oktaSentences...),
}

var oktaSentences = []sentence{
	{"access_denied", "", refused, "Okta refused the sign-in: it was cancelled, or you are not assigned to this app. Ask your Okta administrator to assign you to it."},
	{"invalid_scope", "", misconfigured, "Okta refuses a scope that was asked for. Allow it in the authorization server's scopes and access policy, or remove it from the scopes in Setup."},
	{"unauthorized_client", "", misconfigured, "Okta does not let this app sign people in or refresh. Enable the grant types Authorization Code and Refresh Token in the app's general settings at Okta."},
	{"use_dpop_nonce", "", misconfigured, oktaDPoP},
	{"invalid_dpop_proof", "", misconfigured, oktaDPoP},
}

const oktaDPoP = "Okta demands DPoP, which Drawbridge does not speak. Switch off \"Require Demonstrating Proof of Possession (DPoP) header in token requests\" in the app's general settings at Okta."

// entra is Microsoft Entra ID. It reports what happened as AADSTS numbers in
// the description.
var entra = &profile{
	name: "Microsoft Entra",
	matches: hostIn("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn",
		"sts.windows.net", "ciamlogin.com"),
	noUserGroups: true,
	// Anybody who runs a tenant can write any address into "email"; only
	// xms_edov says that the domain's owner was proven.
	verified:   "xms_edov",
	groupsCure: "Microsoft Entra names no groups. Under Token configuration choose Add groups claim.",
	sentences: []sentence{
		{"", "AADSTS50105", refused, "Microsoft Entra refused the sign-in: you are not assigned to this app. Ask your administrator to assign you, or a group you are in, under Enterprise applications."},
		{"", "AADSTS50011", misconfigured, "Microsoft Entra does not know Drawbridge's redirect URI. Add {redirect} as a Web redirect URI to the app registration."},
		{"", "AADSTS65001", refused, "Microsoft Entra refused the sign-in: nobody has consented to this app yet. Sign in and consent, or ask your administrator to grant consent to it."},
		{"", "AADSTS9002327", misconfigured, "The redirect URI is registered at Microsoft Entra for a single-page application. Register {redirect} under the platform Web instead."},
		{"", "AADSTS9010010", misconfigured, entraResource},
		{"", "AADSTS901002", misconfigured, entraResource},
		{"", "AADSTS7000215", misconfigured, "Microsoft Entra does not accept the client secret. Enter the secret's value in Setup, not its ID."},
		{"", "AADSTS7000222", misconfigured, "The client secret has expired at Microsoft Entra. Make a new one in the app registration and enter it in Setup."},
		{"", "AADSTS700016", misconfigured, "Microsoft Entra does not know this client ID in this tenant. Compare the client ID and the tenant in Setup with the app registration."},
		{"", "AADSTS50057", refused, "Microsoft Entra refused the sign-in: the account is disabled. Ask your administrator."},
	},
}

const entraResource = "Microsoft Entra finds that the scopes and the resource asked for don't belong together. In Setup, name scopes of one API only, besides openid, profile, email and offline_access."

// google gives a refresh token for access_type=offline, and on each sign-in
// only with prompt=consent. It has no groups, and no offline_access.
var google = &profile{
	name:            "Google",
	matches:         func(u *url.URL) bool { return u.Hostname() == "accounts.google.com" },
	authorize:       map[string]string{"access_type": "offline"},
	prompt:          "consent",
	noOfflineAccess: true,
	noUserGroups:    true,
	groupsCure:      "Google names no groups. Let people in by address or by domain.",
	// A Google account can be made for any address; "hd" alone says that the
	// organisation which owns the domain manages it.
	domain: "hd",
	scopeNames: map[string]string{
		"https://www.googleapis.com/auth/userinfo.email":   "email",
		"https://www.googleapis.com/auth/userinfo.profile": "profile",
	},
	sentences: []sentence{
		{"access_denied", "", refused, "Google refused the sign-in: it was cancelled, or the app is in testing and you are not one of its test users. Ask whoever runs the app at Google to add you."},
		{"admin_policy_enforced", "", refused, "Google refused the sign-in: your Workspace administrator does not allow this app. Ask them to trust it."},
		{"org_internal", "", refused, "Google refused the sign-in: this app is only for members of its own organisation. Choose an account of that organisation."},
		{"invalid_grant", "", refused, "Google no longer accepts this sign-in. Sign in again. While the app is in testing, Google ends each sign-in after seven days: publish it to avoid that."},
		{"deleted_client", "", misconfigured, clientUnknown},
	},
}

// auth0 gives an opaque access token unless an audience is asked for.
var auth0 = &profile{
	name:          "Auth0",
	matches:       hostIn("auth0.com"),
	groupsCure:    "Auth0 names no groups. Add a post-login action that sets the claim groups in the ID token.",
	sendsAudience: true,
	sentences: []sentence{
		{"access_denied", "Service not found", misconfigured, "Auth0 knows no API with the audience asked for. Compare the audience in Setup with the identifier of the API at Auth0."},
		{"unauthorized", "", refused, "Auth0 refused the sign-in: your account is blocked or an action forbids it. Ask whoever runs Auth0 for you."},
		{"unauthorized_client", "", misconfigured, "Auth0 does not let this application sign people in or refresh. Enable the grant types Authorization Code and Refresh Token in its advanced settings at Auth0, and \"Allow Offline Access\" in the API's."},
	},
}

// keycloak is recognised by its realm path, wherever it runs.
var keycloak = &profile{
	name:       "Keycloak",
	matches:    func(u *url.URL) bool { return strings.Contains(u.Path, "/realms/") },
	groupsCure: "Keycloak names no groups. Add a mapper Group Membership with the token claim name groups to the client's dedicated scope.",
	sentences: []sentence{
		// It answers unauthorized_client where others say invalid_client.
		{"unauthorized_client", "credentials", misconfigured, clientUnknown},
		{"unauthorized_client", "", misconfigured, "Keycloak does not let this client sign people in. Enable Standard flow in the client's settings at Keycloak."},
		{"invalid_scope", "", misconfigured, "Keycloak refuses a scope that was asked for. Add it to the client's scopes at Keycloak, or remove it from the scopes in Setup."},
		{"not_allowed", "", misconfigured, "Keycloak does not give offline tokens to this client or person. Grant the role offline_access at Keycloak, or remove offline_access from the scopes in Setup."},
	},
}

const (
	clientUnknown   = "{Name} does not accept Drawbridge's client ID or client secret. Copy both again from the app there into Setup."
	redirectUnknown = "{Name} does not know Drawbridge's redirect URI. Add {redirect} to the client's redirect URIs there."
	dpopDemanded    = "{Name} demands DPoP, which Drawbridge does not speak. Switch the demand off in the client's settings there."
	again           = "{Name} wants to see you again. Sign in again."
)

// commonSentences are for any provider, after its own.
var commonSentences = []sentence{
	{"invalid_client", "", misconfigured, clientUnknown},
	{"invalid_request", "redirect_uri", misconfigured, redirectUnknown},
	{"redirect_uri_mismatch", "", misconfigured, redirectUnknown},
	{"use_dpop_nonce", "", misconfigured, dpopDemanded},
	{"invalid_dpop_proof", "", misconfigured, dpopDemanded},
	{"unauthorized_client", "", misconfigured, "{Name} does not let this client sign people in or refresh. Enable the authorization code and refresh token grants in the client's settings there."},
	{"invalid_scope", "", misconfigured, "{Name} refuses a scope that was asked for. Compare the scopes in Setup with those it offers."},
	{"access_denied", "", refused, "{Name} refused the sign-in: it was cancelled, or you are not allowed to use this app. Ask whoever runs the provider for access."},
	{"invalid_grant", "", refused, "{Name} did not accept the sign-in: it is too old, was used already, or was ended there. Sign in again."},
	{"login_required", "", refused, again},
	{"interaction_required", "", refused, again},
	{"consent_required", "", refused, again},
	{"account_selection_required", "", refused, again},
	{"temporarily_unavailable", "", unreachable, "{Name} has a problem of its own. Try again in a minute."},
	{"server_error", "", unreachable, "{Name} has a problem of its own. Try again in a minute."},
}

// issuerTemplate returns the issuer that Entra's documents for many tenants
// carry. They have one text for all, with "{tenantid}" in it; each ID token has
// the person's own tenant in its place.
func issuerTemplate(issuer string) (template string, ok bool) {
	if !config.ManyTenants(issuer) {
		return "", false
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(issuer, "https://"), "/")
	return "https://" + host + "/{tenantid}/v2.0", true
}
