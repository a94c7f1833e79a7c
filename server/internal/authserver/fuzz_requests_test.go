package authserver

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const form = "application/x-www-form-urlencoded"

// mayAnswer is where the client of the rig may be answered, by hand.
var mayAnswer = regexp.MustCompile(`^(https://client\.example/cb\?x=1&|http://localhost(:[0-9]+)?/callback\?)(code|error)=`)

// Whatever an authorization request holds, the browser is sent to our consent
// page or to a redirect URI that the client has, and nowhere else.
func FuzzAuthorize(f *testing.F) {
	r := newFuzzRig(f, &served{body: "{}"})
	good := "response_type=code&client_id=CLIENT&redirect_uri=" + url.QueryEscape(fuzzLoopback) + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&state=x&scope=openid&resource=" + url.QueryEscape(fuzzIssuer+"/mcp")
	f.Add(good, false)
	f.Add(good, true)
	f.Add(good+"&state=y", false)
	f.Add(strings.Replace(good, "localhost", "localhost.evil.example", 1), false)
	f.Add("client_id=https%3A%2F%2Fapp.example%2Fclient.json&redirect_uri=%2F%2Fevil.example", true)
	f.Add("client_id=CLIENT&redirect_uri="+url.QueryEscape(fuzzRedirect)+"&prompt=none&login_hint=%00", false)
	f.Fuzz(func(t *testing.T, params string, post bool) {
		r.renew(t)
		params = strings.ReplaceAll(params, "CLIENT", r.client.ID)
		req := request(http.MethodGet, "/authorize", params, "")
		if post {
			req = request(http.MethodPost, "/authorize", "", params, "Content-Type", form)
		}
		w := httptest.NewRecorder()
		r.Authorize(w, req)
		answered(t, w)
		location := w.Header().Get("Location")
		flow, consent := strings.CutPrefix(location, fuzzIssuer+"/consent?flow=")
		switch {
		case (location != "") != (w.Code == http.StatusFound):
			t.Fatalf("%d with Location %q", w.Code, location)
		case location == "":
			return
		case !consent && !mayAnswer.MatchString(location):
			t.Fatalf("the browser is sent to %q", location)
		case !consent && strings.Contains(location, "code="+flow):
			return
		}
		if !consent {
			return
		}
		w = httptest.NewRecorder()
		r.Consent(w, request(http.MethodGet, "/consent", "flow="+flow, ""))
		answered(t, w)
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("the consent page answers %d", w.Code)
		}
	})
}

// An answer counts if it has the flow and the hidden field of a page, and comes
// from the browser that was shown it, and not by another site's doing.
func FuzzConsent(f *testing.F) {
	r := newFuzzRig(f, &served{})
	const cookie = "0123456789012345678901234567890123456789abc"
	f.Add("flow=FLOW&csrf=CSRF&action=approve", "drawbridge="+cookie, "", "")
	f.Add("flow=FLOW&csrf=CSRF&action=deny", "drawbridge="+cookie, "same-origin", fuzzIssuer)
	f.Add("flow=FLOW&csrf=CSRF&action=approve&remember=1", "drawbridge="+cookie+"; drawbridge="+cookie, "cross-site", "null")
	f.Add("flow=FLOW&flow=FLOW&csrf=&action=approve", "drawbridge=;a=b", "none", "https://evil.example")
	f.Fuzz(func(t *testing.T, body, cookies, site, origin string) {
		r.renew(t)
		req := request(http.MethodPost, "/consent", "", "", "Cookie", cookies, "Sec-Fetch-Site", site, "Origin", origin, "Content-Type", form)
		if req == nil {
			return
		}
		first := request(http.MethodGet, "/consent", "", "", "Cookie", "drawbridge="+cookie)
		flow := r.begun(t, r.browser(first))
		body = strings.NewReplacer("FLOW", flow.ID, "CSRF", flow.CSRF).Replace(body)
		req.Body = request(http.MethodPost, "/", "", body).Body
		w := httptest.NewRecorder()
		r.Answer(w, req)
		answered(t, w)
		if w.Code != http.StatusFound {
			return
		}
		ours := site == "same-origin" || site == "none" || site == "" && (origin == "" || origin == "null" || origin == fuzzIssuer)
		if !strings.Contains(body, flow.ID) || !strings.Contains(body, flow.CSRF) || !strings.Contains(cookies, cookie) || !ours {
			t.Fatalf("an answer without all that proves it was taken: %q, cookies %q, site %q, origin %q", body, cookies, site, origin)
		}
		if l := w.Header().Get("Location"); l != "https://idp.example/authorize" && !mayAnswer.MatchString(l) {
			t.Fatalf("the browser is sent to %q", l)
		}
	})
}

// A callback gives a code only with a state that was sent, to the browser that
// approved.
func FuzzCallback(f *testing.F) {
	r := newFuzzRig(f, &served{})
	const cookie = "0123456789012345678901234567890123456789abc"
	f.Add("code=x&state=STATE", "drawbridge="+cookie)
	f.Add("error=access_denied&error_description=%0d%0a&state=STATE&iss=https://evil.example", "drawbridge="+cookie)
	f.Add("code=x&state=", "")
	f.Fuzz(func(t *testing.T, query, cookies string) {
		r.renew(t)
		browser := r.browser(request(http.MethodGet, "/consent", "", "", "Cookie", "drawbridge="+cookie))
		flow := r.begun(t, browser)
		_, up, err := r.grants.Approve(flow.ID, browser, flow.CSRF, false)
		if err != nil {
			t.Fatal(err)
		}
		query = strings.ReplaceAll(query, "STATE", up.State)
		req := request(http.MethodGet, "/auth/callback", query, "", "Cookie", cookies)
		if req == nil {
			return
		}
		w := httptest.NewRecorder()
		r.Callback(w, req)
		if w.Code != http.StatusBadGateway { // the provider's fault, not ours
			answered(t, w)
		}
		if location := w.Header().Get("Location"); location != "" && (!mayAnswer.MatchString(location) || !strings.Contains(query, up.State) || !strings.Contains(cookies, cookie)) {
			t.Fatalf("query %q and cookies %q lead to %q", query, cookies, location)
		}
	})
}

// Tokens are given for a code with its verifier, or for a refresh token, to
// their own client, and for nothing else.
func FuzzToken(f *testing.F) {
	r := newFuzzRig(f, &served{body: "{}"})
	f.Add("grant_type=authorization_code&code=CODE&code_verifier="+fuzzVerifier+"&client_id=CLIENT", form, "")
	f.Add("grant_type=refresh_token&refresh_token=REFRESH&client_id=CLIENT&scope=openid", form, "")
	f.Add("grant_type=refresh_token&refresh_token=REFRESH", form+"; charset=utf-8", "Basic Q0xJRU5UOg==")
	f.Add("grant_type=refresh_token&refresh_token=REFRESH&client_id=OTHER&resource=x", form, "Bearer x")
	f.Add("client_assertion=a.b.c&client_assertion_type=urn", form, "")
	f.Fuzz(func(t *testing.T, body, kind, authorization string) {
		r.renew(t)
		tokens, code := r.tokens(t), r.code(t)
		body = strings.NewReplacer("CODE", code, "REFRESH", tokens.Refresh, "ACCESS", tokens.Access, "CLIENT", r.client.ID, "OTHER", r.other.ID).Replace(body)
		req := request(http.MethodPost, "/token", "", body, "Content-Type", kind, "Authorization", strings.ReplaceAll(authorization, "CLIENT", r.client.ID))
		if req == nil {
			return
		}
		w := httptest.NewRecorder()
		r.Token(w, req)
		answered(t, w)
		values, _ := url.ParseQuery(body)
		byCode := values.Get("code") == code && values.Get("code_verifier") == fuzzVerifier && values.Get("grant_type") == "authorization_code"
		byRefresh := values.Get("refresh_token") == tokens.Refresh && values.Get("grant_type") == "refresh_token"
		named := values.Get("client_id") == r.client.ID || authorization != ""
		if w.Code == http.StatusOK && (!byCode && !byRefresh || !named) {
			t.Fatalf("tokens for %q", body)
		}
		if w.Code != http.StatusOK && strings.Contains(w.Body.String(), "access_token") {
			t.Fatalf("%d with a token", w.Code)
		}
	})
}

// A session ends by /revoke if its own client presents a token of it.
func FuzzRevoke(f *testing.F) {
	r := newFuzzRig(f, &served{body: "{}"})
	f.Add("token=REFRESH&client_id=CLIENT", "")
	f.Add("token=ACCESS&client_id=CLIENT&token_type_hint=refresh_token", "")
	f.Add("token=ACCESS&client_id=OTHER", "")
	f.Add("token=ACCESS&token=REFRESH&client_id=CLIENT", "Basic x")
	f.Fuzz(func(t *testing.T, body, authorization string) {
		r.renew(t)
		tokens := r.tokens(t)
		body = strings.NewReplacer("REFRESH", tokens.Refresh, "ACCESS", tokens.Access, "CLIENT", r.client.ID, "OTHER", r.other.ID).Replace(body)
		req := request(http.MethodPost, "/revoke", "", body, "Content-Type", form, "Authorization", authorization)
		if req == nil {
			return
		}
		w := httptest.NewRecorder()
		r.Revoke(w, req)
		answered(t, w)
		values, _ := url.ParseQuery(body)
		token := values.Get("token")
		owner := values.Get("client_id") == r.client.ID || authorization != ""
		if !r.works(tokens) && (w.Code != http.StatusOK || !owner || token != tokens.Access && token != tokens.Refresh) {
			t.Fatalf("%q ended a session (%d)", body, w.Code)
		}
	})
}
