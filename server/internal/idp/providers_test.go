package idp

import (
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

const (
	issuerOktaOrg    = "https://dev-1.okta.com"
	issuerOktaCustom = "https://dev-1.okta.com/oauth2/default"
	issuerOktaDomain = "https://login.example.com/oauth2/aus1abc2DEF"
	issuerEntra      = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
	issuerGoogle     = "https://accounts.google.com"
	issuerAuth0      = "https://tenant.eu.auth0.com/"
	issuerKeycloak   = "https://sso.example.com/realms/main"
	issuerOther      = "https://idp.example.com"
)

func TestProvidersAreRecognised(t *testing.T) {
	for issuer, want := range map[string]*profile{
		issuerOktaOrg: oktaOrg, issuerOktaCustom: oktaCustom, issuerOktaDomain: oktaCustom,
		"https://dev-1.oktapreview.com/oauth2/custom-name": oktaCustom,
		issuerEntra: entra, "https://login.microsoftonline.com/common/v2.0": entra, "https://x.ciamlogin.com/t/v2.0": entra,
		issuerGoogle: google, issuerAuth0: auth0, issuerKeycloak: keycloak,
	} {
		if got := profileOf(issuer); got != want {
			t.Errorf("%s is %q", issuer, got.name)
		}
	}
	for _, issuer := range []string{issuerOther, "https://okta.com.example", "https://notokta.com", "https://evilauth0.com", "https://accounts.google.com.example", "::"} {
		if got := profileOf(issuer); got.name != "" {
			t.Errorf("%s is taken for %s", issuer, got.name)
		}
	}
}

// What is asked of each provider, as far as they differ.
func TestAuthURLOfProviders(t *testing.T) {
	const usual = "openid profile email offline_access"
	for _, c := range []struct {
		issuer, audience, prompt string
		supported                []string // scopes_supported
		want                     map[string]string
	}{
		{issuer: issuerOktaOrg, want: map[string]string{"scope": usual}},
		{issuer: issuerOktaCustom, audience: "api://x", want: map[string]string{"scope": usual, "audience": ""}},
		{issuer: issuerEntra, audience: "api://x", supported: []string{"openid"}, want: map[string]string{"scope": usual, "audience": ""}},
		{issuer: issuerGoogle, want: map[string]string{"scope": "openid profile email", "access_type": "offline", "prompt": "consent"}},
		{issuer: issuerGoogle, prompt: "select_account", want: map[string]string{"prompt": "select_account consent"}},
		{issuer: issuerGoogle, prompt: "none", want: map[string]string{"prompt": "none"}},
		{issuer: issuerAuth0, want: map[string]string{"scope": usual, "audience": ""}},
		{issuer: issuerAuth0, audience: "api://x", want: map[string]string{"audience": "api://x"}},
		{issuer: issuerKeycloak, want: map[string]string{"scope": usual}},
		{issuer: issuerOther, want: map[string]string{"scope": usual, "prompt": "", "access_type": ""}},
		{issuer: issuerOther, audience: "api://x", supported: []string{"openid", "email"}, want: map[string]string{"scope": "openid profile email", "audience": "api://x"}},
	} {
		t.Run(c.issuer, func(t *testing.T) {
			r := as(t, c.issuer, func(cfg *Config) { cfg.Audience = c.audience })
			if c.supported != nil {
				r.f.metadata["scopes_supported"] = c.supported
			}
			s, err := r.AuthURL(t.Context(), oauth.UpstreamRequest{State: "s", Nonce: theNonce, Verifier: theVerifier, Prompt: c.prompt})
			if err != nil {
				t.Fatal(err)
			}
			req, _ := http.NewRequest("GET", s, nil)
			q := req.URL.Query()
			c.want["resource"] = ""
			for name, value := range c.want {
				if q.Get(name) != value {
					t.Errorf("%s=%q, want %q", name, q.Get(name), value)
				}
			}
		})
	}
}

func TestSentences(t *testing.T) {
	for _, c := range []struct {
		issuer, code, description string
		kind                      oauth.ProviderErrorKind
		says                      string
	}{
		{issuerOktaOrg, "access_denied", "User is not assigned to the client application.", refused, "assign you"},
		{issuerOktaCustom, "access_denied", "Policy evaluation failed for this request, please check the policy configurations.", refused, "access policy"},
		{issuerOktaCustom, "server_error", "The requested feature is not enabled in this environment.", misconfigured, "Use the organisation's own: https://dev-1.okta.com"},
		{issuerOktaCustom, "server_error", "", unreachable, "Okta has a problem"},
		{issuerOktaCustom, "invalid_scope", "One or more scopes are not configured.", misconfigured, "scopes in Setup"},
		{issuerOktaOrg, "unauthorized_client", "The client is not authorized to use the provided grant type.", misconfigured, "Refresh Token"},
		{issuerOktaOrg, "invalid_client", "The client secret supplied for a confidential client is invalid.", misconfigured, "client secret"},
		{issuerOktaOrg, "invalid_dpop_proof", "The DPoP proof JWT header is missing.", misconfigured, "DPoP"},
		{issuerOktaOrg, "use_dpop_nonce", "", misconfigured, "DPoP"},
		{issuerOktaOrg, "login_required", "", refused, "Sign in again"},
		{issuerEntra, "interaction_required", "AADSTS50105: Your administrator has configured the application to block users.", refused, "not assigned"},
		{issuerEntra, "invalid_request", "AADSTS50011: The redirect URI specified in the request does not match.", misconfigured, "Add http://127.0.0.1:8000/auth/callback"},
		{issuerEntra, "access_denied", "AADSTS500113: No reply address is registered.", refused, "not allowed to use this app"},
		{issuerEntra, "invalid_grant", "AADSTS65001: The user or administrator has not consented.", refused, "consent"},
		{issuerEntra, "invalid_request", "AADSTS9002327: Tokens issued for the 'Single-Page Application' client-type.", misconfigured, "platform Web"},
		{issuerEntra, "invalid_target", "AADSTS9010010: The resource parameter doesn't match the requested scopes.", misconfigured, "one API only"},
		{issuerEntra, "invalid_request", "AADSTS901002: The 'resource' request parameter is not supported.", misconfigured, "one API only"},
		{issuerEntra, "invalid_client", "AADSTS7000215: Invalid client secret provided.", misconfigured, "not its ID"},
		{issuerEntra, "invalid_client", "AADSTS7000222: The provided client secret keys are expired.", misconfigured, "has expired"},
		{issuerEntra, "unauthorized_client", "AADSTS700016: Application was not found in the directory.", misconfigured, "client ID and the tenant"},
		{issuerEntra, "invalid_grant", "AADSTS50057: The user account is disabled.", refused, "disabled"},
		{issuerGoogle, "access_denied", "", refused, "test users"},
		{issuerGoogle, "admin_policy_enforced", "", refused, "administrator"},
		{issuerGoogle, "org_internal", "", refused, "organisation"},
		{issuerGoogle, "invalid_grant", "Token has been expired or revoked.", refused, "seven days"},
		{issuerGoogle, "redirect_uri_mismatch", "Bad Request", misconfigured, "redirect URI"},
		{issuerAuth0, "access_denied", "Service not found: https://api", misconfigured, "audience in Setup"},
		{issuerAuth0, "unauthorized", "user is blocked", refused, "blocked"},
		{issuerAuth0, "unauthorized_client", "Grant type 'refresh_token' not allowed for the client.", misconfigured, "Allow Offline Access"},
		{issuerKeycloak, "unauthorized_client", "Invalid client or Invalid client credentials", misconfigured, "client secret"},
		{issuerKeycloak, "unauthorized_client", "Client is not allowed to initiate browser login.", misconfigured, "Standard flow"},
		{issuerKeycloak, "invalid_scope", "Invalid scopes: x", misconfigured, "scopes in Setup"},
		{issuerKeycloak, "not_allowed", "Offline tokens not allowed for the user or client", misconfigured, "offline_access"},
		{issuerOther, "invalid_client", "", misconfigured, "client secret"},
		{issuerOther, "invalid_request", "redirect_uri is not registered", misconfigured, "redirect URI"},
		{issuerOther, "use_dpop_nonce", "", misconfigured, "DPoP"},
		{issuerOther, "invalid_dpop_proof", "", misconfigured, "DPoP"},
		{issuerOther, "unauthorized_client", "", misconfigured, "grants"},
		{issuerOther, "invalid_scope", "", misconfigured, "scopes"},
		{issuerOther, "access_denied", "", refused, "The provider at idp.example.com refused"},
		{issuerOther, "consent_required", "", refused, "Sign in again"},
		{issuerOther, "temporarily_unavailable", "", unreachable, "Try again"},
		{issuerOther, "odd", "", misconfigured, `the error odd.`},
		{issuerOther, `"><script>`, "", misconfigured, "without saying why"},
		{issuerOther, "", "", misconfigured, "without saying why"},
	} {
		t.Run(c.issuer+" "+c.code, func(t *testing.T) {
			r := as(t, c.issuer)
			pe := r.Explain(c.code, c.description)
			wantError(t, pe, c.kind, c.says)
			if name := r.profile.name; name != "" && !strings.Contains(pe.Message, name) {
				t.Errorf("%q does not name %s", pe.Message, name)
			}
			if len(r.changes.states) > 0 {
				t.Error("a browser's word changed the state")
			}
		})
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain words.": "plain words.",
		"two\r\nlines\x1b[31m\u202e and\u2028more": "two lines [31m and more",
		"\xff\xfe": "",
		"see https://x.example/cb?code=abc&state=d now":           "see https://x.example/cb[…] now",
		"token eyJhbGciOiJSUzI1NiJ9abcdefgh.eyJzdWIiOiJhbmEifQab": "token […]",
		"the secret hunter2": "the secret […]",
	} {
		if got := clean(in, "hunter2", ""); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := clean(strings.Repeat("ä ", 500)); len([]rune(got)) != maxClean {
		t.Errorf("%d characters left", len([]rune(got)))
	}
}
