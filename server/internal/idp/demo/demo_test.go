package demo

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// rig is a running provider and a relying party built on go-oidc.
type rig struct {
	*Running
	oidc   *oidc.Provider
	config oauth2.Config
}

const redirectURI = "http://127.0.0.1:8000/auth/callback?kept=1"

func newRig(t *testing.T) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	running, err := Start(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	})
	provider, err := oidc.NewProvider(t.Context(), running.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	return &rig{running, provider, oauth2.Config{
		ClientID: ClientID, ClientSecret: ClientSecret, Endpoint: endpoint, RedirectURL: redirectURI,
		Scopes: []string{"openid", "profile", "email", "offline_access"},
	}}
}

// browse opens an authorization URL, presses user's button and returns where
// the browser is sent then.
func browse(t *testing.T, authURL, user string) *url.URL {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page := get(t, client, authURL)
	action := regexp.MustCompile(`<form method="post" action="([^"]+)">`).FindStringSubmatch(page.body)
	if action == nil || !strings.Contains(page.body, `<button name="user" value="`+user+`">`) {
		t.Fatalf("no form with a button for %s: %d %s", user, page.status, page.body)
	}
	base, _ := url.Parse(authURL)
	to, err := base.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.PostForm(to.String(), url.Values{"user": {user}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	return location
}

type answer struct {
	status int
	body   string
	header http.Header
}

func get(t *testing.T, client *http.Client, to string) answer {
	t.Helper()
	resp, err := client.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, string(body), resp.Header}
}

func (r *rig) signIn(t *testing.T, user string) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	back := browse(t, r.config.AuthCodeURL("the-state", oauth2.S256ChallengeOption(verifier), oidc.Nonce("the-nonce")), user)
	if q := back.Query(); q.Get("state") != "the-state" || q.Get("kept") != "1" {
		t.Fatalf("redirected to %s", back)
	}
	token, err := r.config.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignInWithGoOIDC(t *testing.T) {
	r := newRig(t)
	token := r.signIn(t, "alice")
	id, err := r.oidc.Verifier(&oidc.Config{ClientID: ClientID}).Verify(t.Context(), token.Extra("id_token").(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	var claims struct {
		Email, Name string
		Verified    bool `json:"email_verified"`
		Groups      []string
	}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "the-nonce" || id.Subject != "alice" || claims.Email != "alice@example.com" || !claims.Verified ||
		claims.Name == "" || !slices.Equal(claims.Groups, []string{"everyone", "admins"}) {
		t.Errorf("ID token says %+v %+v", id, claims)
	}
	if _, err := r.oidc.Verifier(&oidc.Config{ClientID: Audience}).Verify(t.Context(), token.AccessToken); err != nil {
		t.Errorf("access token: %v", err)
	}
	info, err := r.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != "alice" || info.Email != "alice@example.com" {
		t.Errorf("userinfo: %+v %v", info, err)
	}
}

func (r *rig) refresh(t *testing.T, refreshToken string) (*oauth2.Token, error) {
	t.Helper()
	return r.config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: refreshToken}).Token()
}

func TestRefreshTokens(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *rig, *oauth2.Token)
		works bool
	}{
		{"it handles a first use", func(*testing.T, *rig, *oauth2.Token) {}, true},
		{"it handles reuse", func(t *testing.T, r *rig, tok *oauth2.Token) {
			next, err := r.refresh(t, tok.RefreshToken)
			if err != nil || next.RefreshToken == tok.RefreshToken {
				t.Fatalf("not rotated: %v", err)
			}
			if _, err := r.refresh(t, tok.RefreshToken); err == nil {
				t.Fatal("a rotated refresh token worked")
			}
			tok.RefreshToken = next.RefreshToken // reuse ends the whole family
		}, false},
		{"it handles revocation", func(t *testing.T, r *rig, tok *oauth2.Token) {
			resp, err := http.PostForm(r.Issuer+"/revoke", url.Values{
				"token": {tok.RefreshToken}, "client_id": {ClientID}, "client_secret": {ClientSecret}})
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("revoke: %v %v", resp, err)
			}
			resp.Body.Close()
			if n := r.Provider.Grants("bob"); n != 0 {
				t.Errorf("%d grants left", n)
			}
		}, false},
		{"it handles a deactivated person", func(t *testing.T, r *rig, _ *oauth2.Token) {
			r.Provider.Change("bob", func(p *Person) { p.Active = false })
		}, false},
		{"it handles an outage", func(t *testing.T, r *rig, _ *oauth2.Token) { r.Provider.Down(true) }, false},
		{"it handles a made-up token", func(t *testing.T, r *rig, tok *oauth2.Token) { tok.RefreshToken = "x.y" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			token := r.signIn(t, "bob")
			if n := r.Provider.Grants("bob"); n != 1 {
				t.Fatalf("%d grants after one sign-in", n)
			}
			c.spoil(t, r, token)
			if _, err := r.refresh(t, token.RefreshToken); (err == nil) != c.works {
				t.Errorf("refresh: %v", err)
			}
		})
	}
}

func TestCodeIsUsedOnce(t *testing.T) {
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	code := browse(t, r.config.AuthCodeURL("", oauth2.S256ChallengeOption(verifier)), "alice").Query().Get("code")
	if _, err := r.config.Exchange(t.Context(), code, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Error("another verifier was accepted")
	}
	token, err := r.config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code worked twice")
	}
	if _, err := r.refresh(t, token.RefreshToken); err == nil {
		t.Error("the grant outlived its code's replay")
	}
}

func TestAuthorizeRefusals(t *testing.T) {
	r := newRig(t)
	good := url.Values{"client_id": {ClientID}, "redirect_uri": {redirectURI}, "response_type": {"code"},
		"scope": {"openid"}, "code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"}}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct{ name, key, value, want string }{
		{"it handles a good request", "scope", "openid email", ""},
		{"it handles localhost", "redirect_uri", "http://localhost:1/cb", ""},
		{"it handles an IPv6 redirect", "redirect_uri", "http://[::1]:1/cb", ""},
		{"it handles another client", "client_id", "other", "page"}, // RFC 6749 §4.1.2.1
		{"it handles a redirect elsewhere", "redirect_uri", "https://evil.example/cb", "page"},
		{"it handles a look-alike host", "redirect_uri", "http://127.0.0.1.evil.example/cb", "page"},
		{"it handles userinfo in the redirect", "redirect_uri", "http://127.0.0.1@evil.example/cb", "page"},
		{"it handles a fragment", "redirect_uri", "http://127.0.0.1/cb#x", "page"},
		{"it handles a missing challenge", "code_challenge", "", "invalid_request"}, // RFC 7636 §4.4.1
		{"it handles the plain challenge", "code_challenge_method", "plain", "invalid_request"},
		{"it handles the implicit flow", "response_type", "token", "unsupported_response_type"},
		{"it handles a missing openid scope", "scope", "email", "invalid_scope"},
		{"it handles prompt=none", "prompt", "none", "login_required"},
		{"it handles resource", "resource", "https://x", "invalid_target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := url.Values{}
			for k, v := range good {
				q[k] = v
			}
			q.Set(c.key, c.value)
			a := get(t, client, r.Issuer+"/authorize?"+q.Encode())
			switch c.want {
			case "":
				if a.status != 200 {
					t.Errorf("status %d: %s", a.status, a.body)
				}
			case "page":
				if a.status != 400 || a.header.Get("Location") != "" {
					t.Errorf("status %d", a.status)
				}
			default:
				to, _ := url.Parse(a.header.Get("Location"))
				if to.Query().Get("error") != c.want {
					t.Errorf("redirected to %s", to)
				}
			}
			csp := a.header.Get("Content-Security-Policy")
			if a.status < 300 && (!strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "form-action")) {
				t.Errorf("policy %q", csp)
			}
		})
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "example.com:0"} {
		if l, err := Listen(addr); err == nil {
			l.Close()
			t.Errorf("%s was opened", addr)
		}
	}
	for _, issuer := range []string{"https://example.com", "http://example.com", "http://127.0.0.1:1/", "127.0.0.1"} {
		if _, err := New(issuer); err == nil {
			t.Errorf("%s became an issuer", issuer)
		}
	}
	p, err := New("http://127.0.0.1:1/under/a/path")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"127.0.0.1:1": 200, "localhost": 200, "[::1]:1": 200, "rebound.example": 403} {
		req := httptest.NewRequest("GET", "/under/a/path/.well-known/openid-configuration", nil)
		req.Host = host
		w := httptest.NewRecorder()
		p.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("Host %s: %d, want %d", host, w.Code, want)
		}
	}
}

func TestGrantsAreBounded(t *testing.T) {
	p, err := New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for range maxGrants + 10 {
		p.begin(request{}, "alice")
	}
	if n := len(p.grants); n != 10_000 {
		t.Errorf("%d grants held", n)
	}
}
