package wizard

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

var admins = oauth.AccessList{Groups: []string{"admins"}}

func TestDryRun(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			f := newFake(t)
			c := f.as(kind)
			r := f.dryRun(t, c, admins)
			if st := r.Status(); st.State != TrialWaiting {
				t.Errorf("state %s", st.State)
			}
			if r.url.Get("redirect_uri") != theRedirect || r.url.Get("client_id") != c.ClientID || r.url.Get("code_challenge_method") != "S256" || len(r.url.Get("state")) < 22 {
				t.Errorf("asks for %v", r.url)
			}
			st := r.back(t, "code", theCode)
			want := &TrialResult{Name: "Ana", Email: "ana@example.com", Verified: true, Groups: []string{"everyone", "admins"},
				Refresh: true, Scopes: []string{"openid", "email", "profile", "offline_access"}, Allowed: true}
			got := st.Result
			if st.State != TrialDone || got == nil {
				t.Fatalf("%+v", st)
			}
			isSentence(t, got.Verdict, "ana@example.com may sign in")
			got.Verdict = Sentence{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if !slices.Equal(f.revoked, []string{theRefresh, theAccess}) {
				t.Errorf("given back %v", f.revoked)
			}
		})
	}
}

// What a result warns of.
func TestDryRunWarnings(t *testing.T) {
	list := oauth.AccessList{Emails: []string{"ana@example.com"}}
	none := map[string]any{}
	for _, c := range []struct {
		name     string
		kind     Kind
		access   oauth.AccessList
		claims   map[string]any
		response map[string]any
		allowed  bool
		verdict  string
		warns    string // "": of nothing
	}{
		{"no refresh token at Okta", Okta, list, none, map[string]any{"refresh_token": nil}, true, "may sign in", "Tick Refresh Token"},
		{"no refresh token at Auth0", Auth0, list, none, map[string]any{"refresh_token": nil}, true, "may sign in", "Allow Offline Access"},
		{"no refresh token at Entra", Entra, list, none, map[string]any{"refresh_token": nil}, true, "may sign in", "offline_access"},
		{"no refresh token at Google", Google, list, none, map[string]any{"refresh_token": nil}, true, "may sign in", "connected apps"},
		{"no refresh token at Keycloak", Keycloak, list, none, map[string]any{"refresh_token": nil}, true, "may sign in", "Use refresh tokens"},
		{"no refresh token elsewhere", Other, list, none, map[string]any{"refresh_token": nil}, true, "may sign in", "grant refresh_token"},
		{"an address that is not verified", Okta, list, map[string]any{"email_verified": false}, none, false, "says that the address is not verified", "does not say that the e-mail address is verified"},
		{"a domain, and an address that is not verified", Okta, oauth.AccessList{Domains: []string{"example.com"}}, map[string]any{"email_verified": false}, none, false, "says that the address is not verified", "verified"},
		{"Entra without xms_edov", Entra, list, map[string]any{"xms_edov": nil}, none, false, "verified", "xms_edov"},
		{"no address", Okta, list, map[string]any{"email": nil}, none, false, "no e-mail address", "scope email"},
		{"somebody else", Okta, oauth.AccessList{Emails: []string{"bob@example.com"}}, none, none, false, "neither the address nor a group", ""},
		{"nobody", Okta, oauth.AccessList{}, none, none, false, "the list of who may is empty", ""},
		{"groups that don't matter", Okta, list, map[string]any{"groups": nil}, none, true, "may sign in", ""},
		{"groups missing at Okta", Okta, admins, map[string]any{"groups": nil}, none, false, "named no groups", "Add a claim named groups"},
		{"groups in another claim", Keycloak, admins, map[string]any{"groups": nil, "realm_access": map[string]any{"roles": []string{"admins"}}}, none, false, "named no groups", "groups in realm_access.roles"},
		{"no word of the address", Okta, list, map[string]any{"email_verified": nil}, none, false, "does not say whether", "does not say that the e-mail address is verified"},
		{"no groups of this person", Okta, admins, map[string]any{"groups": []string{}}, none, false, "neither", "in no group"},
		{"groups missing at Auth0", Auth0, admins, map[string]any{"groups": nil}, none, false, "named no groups", "post-login action"},
		{"groups missing at Entra", Entra, admins, map[string]any{"groups": nil}, none, false, "named no groups", "Add groups claim"},
		{"too many groups at Entra", Entra, admins, map[string]any{"groups": nil, "_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.windows.net/x/getMemberObjects"}}}, none, false, "named no groups", "too many"},
		{"groups missing at Google", Google, admins, map[string]any{"groups": nil}, none, false, "named no groups", "Google names no groups"},
		{"groups missing at Keycloak", Keycloak, admins, map[string]any{"groups": nil}, none, false, "named no groups", "Group Membership"},
		{"groups missing elsewhere", Other, admins, map[string]any{"groups": nil}, none, false, "named no groups", "claim named groups"},
		{"a hundred groups at Okta", Okta, admins, map[string]any{"groups": strings.Split("admins,everyone,"+numbers(98), ",")}, none, true, "may sign in", "leaves the others out"},
		{"a private account at Google", Google, oauth.AccessList{Domains: []string{"example.com"}}, map[string]any{"groups": nil}, none, false, "neither", "belongs to no Workspace"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			f := newFake(t)
			cfg := f.as(c.kind)
			add(f.claims, c.claims)
			for k, v := range c.claims {
				f.claims[k] = v
			}
			f.response = c.response
			st := f.dryRun(t, cfg, c.access).back(t, "code", theCode)
			if st.Result == nil {
				t.Fatalf("%+v", st)
			}
			isSentence(t, st.Result.Verdict, c.verdict)
			for _, w := range st.Result.Warnings {
				isSentence(t, w)
			}
			if got := textOf(st.Result.Warnings); st.Result.Allowed != c.allowed || c.warns == "" && got != "" || !strings.Contains(got, c.warns) {
				t.Errorf("allowed: %t, warned of %q", st.Result.Allowed, got)
			}
			if len(st.Result.Groups) == 0 {
				isSentence(t, st.Result.NoGroups)
			}
		})
	}
}

// Each refusal of the provider, at its redirect or at the token endpoint, has
// its sentence.
func TestDryRunFailures(t *testing.T) {
	const aadsts = "AADSTS"
	for _, c := range []struct {
		name              string
		kind              Kind
		code, description string // at the redirect
		spoil             func(*fake)
		says              string
	}{
		{"a person who is not assigned", Okta, "access_denied", "User is not assigned to the client application.", nil, "not assigned to this app"},
		{"no access policy", Okta, "access_denied", "Policy evaluation failed for this request, please check the policy configurations.", nil, "leave the authorization server empty"},
		{"a scope that is not there", Okta, "invalid_scope", "One or more scopes are not configured for the authorization server resource.", nil, "Okta refuses a scope"},
		{"a grant that is off", Okta, "unauthorized_client", "The client is not authorized to use the provided grant type.", nil, "Authorization Code and Refresh Token"},
		{"a login that is wanted", Okta, "login_required", "The client specified not to prompt, but the user is not logged in.", nil, "Sign in again"},
		{"a feature that is not enabled", Okta, "server_error", "The requested feature is not enabled in this environment.", nil, "Use the organisation's own"},
		{"DPoP demanded", Okta, "", "", func(f *fake) {
			f.refuse["/token"] = refusing(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.")
		}, "DPoP"},
		{"a nonce for DPoP demanded", Other, "", "", func(f *fake) { f.refuse["/token"] = refusing(400, "use_dpop_nonce", "") }, "DPoP"},
		{"AADSTS50105", Entra, "interaction_required", aadsts + "50105: Your administrator has configured the application to block users", nil, "not assigned to this app"},
		{"AADSTS50011", Entra, "invalid_request", aadsts + "50011: The redirect URI does not match", nil, theRedirect},
		{"AADSTS65001", Entra, "consent_required", aadsts + "65001: The user or administrator has not consented", nil, "consented"},
		{"AADSTS9002327", Entra, "", "", func(f *fake) {
			f.refuse["/token"] = refusing(400, "invalid_request", aadsts+"9002327: Tokens issued for the 'Single-Page Application'")
		}, "platform Web"},
		{"AADSTS9010010", Entra, "invalid_target", aadsts + "9010010: The resource parameter provided", nil, "scopes of one API only"},
		{"AADSTS901002", Entra, "invalid_request", aadsts + "901002: The 'resource' request parameter is not supported", nil, "scopes of one API only"},
		{"AADSTS7000215", Entra, "", "", func(f *fake) {
			f.refuse["/token"] = refusing(401, "invalid_client", aadsts+"7000215: Invalid client secret provided")
		}, "not its ID"},
		{"somebody who is no test user", Google, "access_denied", "", nil, "test users"},
		{"a Workspace that forbids it", Google, "admin_policy_enforced", "", nil, "Workspace administrator"},
		{"an app for members", Google, "org_internal", "", nil, "own organisation"},
		{"an API that is not there", Auth0, "access_denied", "Service not found: https://api", nil, "audience in Setup"},
		{"a blocked account", Auth0, "unauthorized", "user is blocked", nil, "blocked"},
		{"grants off at Auth0", Auth0, "", "", func(f *fake) { f.refuse["/token"] = refusing(403, "unauthorized_client", "Grant type not allowed") }, "Allow Offline Access"},
		{"standard flow off", Keycloak, "unauthorized_client", "Client is not allowed to initiate browser login.", nil, "Standard flow"},
		{"a scope Keycloak lacks", Keycloak, "invalid_scope", "Invalid scopes", nil, "client's scopes at Keycloak"},
		{"offline tokens off", Keycloak, "", "", func(f *fake) {
			f.refuse["/token"] = refusing(400, "not_allowed", "Offline tokens not allowed for the user or client")
		}, "role offline_access"},
		{"a code that is refused", Other, "", "", func(f *fake) { f.refuse["/token"] = refusing(400, "invalid_grant", "") }, "did not accept the sign-in"},
		{"an outage", Other, "", "", func(f *fake) {
			f.refuse["/token"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }
		}, "problem of its own"},
		{"an answer that is none", Other, "", "", func(f *fake) {
			f.refuse["/token"] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }
		}, "makes no sense"},
		{"an error nobody knows", Other, "odd_error", "x", nil, "the error odd_error"},
		{"an error that is a script", Other, "<script>alert(1)</script>", "x", nil, "without saying why"},
		{"an ID token for another", Other, "", "", func(f *fake) { f.claims["aud"] = "another" }, "made for another client"},
		{"an ID token with another nonce", Other, "", "", func(f *fake) { f.claims["nonce"] = "x" }, "another sign-in"},
		{"an ID token of another issuer", Other, "", "", func(f *fake) { f.claims["iss"] = "https://evil.example" }, "names another issuer"},
		{"an ID token from the future", Other, "", "", func(f *fake) { f.claims["iat"] = time.Now().Add(time.Hour).Unix() }, "clock"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			f := newFake(t)
			cfg := f.as(c.kind)
			if c.spoil != nil {
				c.spoil(f)
			}
			answer := []string{"code", theCode}
			if c.code != "" {
				answer = []string{"error", c.code, "error_description", c.description}
			}
			st := f.dryRun(t, cfg, admins).back(t, answer...)
			if st.State != TrialFailed || st.Result != nil {
				t.Errorf("%+v", st)
			}
			isSentence(t, st.Says, c.says)
			if c.spoil != nil && f.hits["/token"] > 0 && f.refuse["/token"] == nil && !slices.Contains(f.revoked, theRefresh) {
				t.Errorf("the tokens were not given back: %v", f.revoked)
			}
		})
	}
}

// With an audience the access token must be a JWT for it.
func TestDryRunAudience(t *testing.T) {
	for _, c := range []struct{ name, aud, says string }{
		{"an opaque token", "", "no signed JWT"},
		{"a token for another", "https://other.example", "not for the configured audience"},
		{"a token for it", "https://api.example.com", ""},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			f := newFake(t)
			cfg := f.as(Auth0)
			cfg.Audience = "https://api.example.com"
			if c.aud != "" {
				f.response["access_token"] = signed(map[string]any{"iss": cfg.Issuer, "aud": []string{c.aud}, "exp": time.Now().Add(time.Hour).Unix()})
			}
			r := f.dryRun(t, cfg, admins)
			if r.url.Get("audience") != cfg.Audience {
				t.Errorf("asked for %q", r.url.Get("audience"))
			}
			st := r.back(t, "code", theCode)
			if c.says != "" {
				isSentence(t, st.Says, c.says)
			} else if st.Result == nil {
				t.Errorf("%+v", st)
			}
		})
	}
}

// A state is taken once, in time, and only if it is the latest.
func TestDryRunState(t *testing.T) {
	f := newFake(t)
	first := f.dryRun(t, f.as(Okta), admins)
	for _, state := range []string{"", "x", first.url.Get("state") + "x", strings.ToLower(first.url.Get("state"))} {
		if first.Callback(t.Context(), url.Values{"state": {state}, "code": {theCode}}) != "" {
			t.Errorf("the state %q was taken", state)
		}
	}
	if f.hits["/token"] > 0 {
		t.Error("the provider was asked for a stranger")
	}
	first.back(t, "error", "access_denied")
	if first.Callback(t.Context(), url.Values{"state": {first.url.Get("state")}, "code": {theCode}}) != "" {
		t.Error("a state was taken twice")
	}
	if st := first.Status(); st.State != TrialFailed {
		t.Errorf("%+v", st)
	}

	var d DryRun
	cfg := idp.Config{HTTPClient: f.client(), Issuer: issuers[Okta], ClientID: "id", RedirectURI: theRedirect, Scopes: []string{"openid"}}
	old, err := d.Start(t.Context(), cfg, admins, theConsole, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Start(t.Context(), cfg, admins, theConsole, true); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(old)
	if d.Callback(t.Context(), url.Values{"state": {u.Query().Get("state")}, "error": {"access_denied"}}) != "" {
		t.Error("the state of an earlier dry run was taken")
	}
	d.Stop()
	if d.Status().State != TrialNone {
		t.Error("it goes on")
	}
}

func TestDryRunMixUp(t *testing.T) {
	f := newFake(t)
	st := f.dryRun(t, f.as(Okta), admins).back(t, "code", theCode, "iss", "https://evil.example")
	isSentence(t, st.Says, "another sign-in provider")
	if f.hits["/token"] > 0 {
		t.Error("the code was sent on") // RFC 9207 §2.4
	}
}

func TestDryRunNeverBack(t *testing.T) {
	f := newFake(t)
	r := f.dryRun(t, f.as(Keycloak), admins)
	begun := r.now
	for _, c := range []struct {
		after time.Duration
		want  TrialState
	}{{0, TrialWaiting}, {trialTime - time.Second, TrialWaiting}, {trialTime, TrialExpired}} {
		r.now = begun.Add(c.after)
		st := r.Status()
		if st.State != c.want {
			t.Errorf("after %v it is %s", c.after, st.State)
		}
		isSentence(t, st.Says, theRedirect, "Keycloak") // at once: nobody waits to be told
	}
	if r.Callback(t.Context(), url.Values{"state": {r.url.Get("state")}, "code": {theCode}}) != "" {
		t.Error("it was taken after all")
	}
}

func TestDryRunUnreachable(t *testing.T) {
	f := newFake(t)
	f.refuse["/discovery"] = http.NotFound
	d := &DryRun{}
	_, err := d.Start(t.Context(), idp.Config{Issuer: issuers[Other], ClientID: "id", RedirectURI: theRedirect, HTTPClient: f.client()}, admins, theConsole, true)
	if st := d.Status(); err == nil || st.State != TrialFailed {
		t.Fatalf("%v, %+v", err, st)
	}
	isSentence(t, d.Status().Says, "no OpenID discovery document")
}

// Nobody is sent where the browser can't come back from, unless they insist.
func TestDryRunUnknownRedirect(t *testing.T) {
	f := newFake(t)
	f.redirects = nil
	c := f.as(Okta)
	d := &DryRun{}
	cfg := idp.Config{Issuer: c.Issuer, ClientID: c.ClientID, RedirectURI: theRedirect, HTTPClient: f.client()}
	_, err := d.Start(t.Context(), cfg, admins, theConsole, true)
	if st := d.Status(); err == nil || st.State != TrialFailed || !st.Unsure {
		t.Fatalf("%v, %+v", err, st)
	}
	isSentence(t, d.Status().Says, "Add "+theRedirect)
	if _, err := d.Start(t.Context(), cfg, admins, theConsole, false); err != nil || d.Status().State != TrialWaiting {
		t.Errorf("all the same: %v", err)
	}
}

// Strangers who know the state, all at once: one of them is taken.
func TestDryRunTwice(t *testing.T) {
	f := newFake(t)
	r := f.dryRun(t, f.as(Okta), admins)
	var taken, wg = make(chan bool, 16), sync.WaitGroup{}
	for range 16 {
		wg.Go(func() {
			taken <- r.Callback(t.Context(), url.Values{"state": {r.url.Get("state")}, "code": {theCode}}) != ""
			r.Status()
		})
	}
	wg.Wait()
	n := 0
	for range 16 {
		if <-taken {
			n++
		}
	}
	if n != 1 || f.hits["/token"] != 1 {
		t.Errorf("%d were taken, %d codes sent", n, f.hits["/token"])
	}
}

// What a hostile provider says of a person is bounded and clean.
func TestDryRunHostile(t *testing.T) {
	f := newFake(t)
	cfg := f.as(Other)
	evil := "\x1b[31m\u202egnp\u200b<script>"
	long := make([]string, 400)
	for i := range long {
		long[i] = strings.Repeat(string(rune('a'+i%26)), 200) + evil
	}
	f.claims["name"], f.claims["groups"], f.claims["email"] = evil+strings.Repeat("x", 5000), long, "a"+evil+"@example.com"
	f.response["scope"] = strings.Join(long, " ")
	st := f.dryRun(t, cfg, oauth.AccessList{Anyone: true}).back(t, "code", theCode)
	if st.Result == nil {
		t.Fatalf("%+v", st)
	}
	all := []string{st.Result.Name, st.Result.Email, st.Result.Verdict.String()}
	for _, list := range [][]string{st.Result.Groups, st.Result.Scopes} {
		if len(list) > maxShown {
			t.Errorf("%d shown", len(list))
		}
		all = append(all, list...)
	}
	for _, s := range all {
		if len(s) > 1100 || strings.ContainsAny(s, "\x1b\u202e\u200b") {
			t.Errorf("%.80q is shown", s)
		}
	}
}

// numbers are the numbers below n, with commas.
func numbers(n int) string {
	var all []string
	for i := range n {
		all = append(all, strconv.Itoa(i))
	}
	return strings.Join(all, ",")
}
