package wizard

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

const (
	theSecret   = "client-s3cret-value"
	theRedirect = "https://name.ngrok.app/auth/callback"
	theConsole  = "http://127.0.0.1:40123/setup?step=try"
	theCode     = "upstream-code-s3cret"
	theAccess   = "access-token-s3cret"
	theRefresh  = "refresh-token-s3cret"
)

// fake is every OpenID provider there is, on loopback: it answers for any host,
// and a test can spoil any answer.
type fake struct {
	*httptest.Server
	mu        sync.Mutex
	gone      map[string]bool             // issuers without a discovery document
	says      map[string]string           // issuer asked for → issuer in the document
	refuse    map[string]http.HandlerFunc // instead of the usual answer at a path
	claims    map[string]any              // added to the ID token; nil takes one out
	response  map[string]any              // added to the token response; nil takes one out
	redirects map[string]bool             // redirect URIs that are known
	noBasic   bool                        // the secret is taken in the form alone
	nonce     string                      // of the flow under way
	challenge string
	revoked   []string // tokens
	hosts     map[string]int
	hits      map[string]int
}

var fakeKey = func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}()

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{gone: map[string]bool{}, says: map[string]string{}, refuse: map[string]http.HandlerFunc{}, claims: map[string]any{}, response: map[string]any{},
		redirects: map[string]bool{theRedirect: true}, hosts: map[string]int{}, hits: map[string]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// client sends what is meant for any host to the fake.
func (f *fake) client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		to := req.Clone(req.Context())
		to.Host = req.URL.Host
		u, _ := url.Parse(f.URL)
		to.URL.Scheme, to.URL.Host = u.Scheme, u.Host
		return http.DefaultTransport.RoundTrip(to)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[r.Host]++
	base := "https://" + r.Host
	prefix, discovery := strings.CutSuffix(r.URL.Path, "/.well-known/openid-configuration")
	path := r.URL.Path
	if discovery {
		path = "/discovery"
	}
	f.hits[path]++
	if handle := f.refuse[path]; handle != nil {
		handle(w, r)
		return
	}
	switch path {
	case "/discovery":
		issuer := base + prefix
		if f.gone[issuer] {
			http.NotFound(w, r)
			return
		}
		if said := f.says[issuer]; said != "" {
			issuer = said
		}
		reply(w, 200, map[string]any{"issuer": issuer, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
			"jwks_uri": base + "/jwks", "userinfo_endpoint": base + "/userinfo", "revocation_endpoint": base + "/revoke",
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	case "/jwks":
		reply(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &fakeKey.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	case "/authorize":
		f.authorize(w, r)
	case "/token":
		f.token(w, r)
	case "/revoke":
		f.revoked = append(f.revoked, r.FormValue("token"))
	default:
		reply(w, 401, map[string]string{"error": "invalid_token"})
	}
}

func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("redirect_uri")
	if !f.redirects[to] {
		http.Error(w, "The 'redirect_uri' parameter must be a Login redirect URI", 400)
		return
	}
	w.Header().Set("Location", to+"?error=login_required&state="+url.QueryEscape(r.URL.Query().Get("state")))
	w.WriteHeader(302)
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	secret, _ = url.QueryUnescape(secret)
	switch {
	case secret != theSecret, basic && f.noBasic:
		reply(w, 401, map[string]string{"error": "invalid_client", "error_description": "no " + secret})
	case r.FormValue("code") != theCode:
		reply(w, 400, map[string]string{"error": "invalid_grant"})
	case f.challenge != challengeOf(r.FormValue("code_verifier")):
		reply(w, 400, map[string]string{"error": "invalid_grant", "error_description": "PKCE verification failed"})
	default:
		reply(w, 200, f.tokens(r.Host, id))
	}
}

func (f *fake) tokens(host, client string) map[string]any {
	now := time.Now()
	claims := map[string]any{"iss": "https://" + host, "sub": "ana-1", "aud": client, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": f.nonce,
		"email": "ana@example.com", "email_verified": true, "name": "Ana", "groups": []string{"everyone", "admins"}}
	add(claims, f.claims)
	answer := map[string]any{"access_token": theAccess, "token_type": "Bearer", "expires_in": 3600, "refresh_token": theRefresh, "scope": "openid email profile offline_access"}
	add(answer, f.response)
	answer["id_token"] = signed(claims)
	return answer
}

func add(to, more map[string]any) {
	maps.Copy(to, more)
	maps.DeleteFunc(to, func(_ string, v any) bool { return v == nil })
}

func signed(claims any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: fakeKey}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		panic(err)
	}
	payload, _ := json.Marshal(claims)
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	s, _ := jws.CompactSerialize()
	return s
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refusing(status int, code, description string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		reply(w, status, map[string]string{"error": code, "error_description": description})
	}
}

// wizard checks with the fake and a keychain that holds the secret.
func (f *fake) wizard(t testing.TB) *Wizard {
	t.Helper()
	k := keystore.Memory()
	if err := k.Set(t.Context(), keystore.IDPClientSecret, keystore.NewSecret(theSecret)); err != nil {
		t.Fatal(err)
	}
	return &Wizard{Keystore: k, HTTP: f.client()}
}

// issuers are one of each kind.
var issuers = map[Kind]string{
	Okta: "https://dev-1.okta.com/oauth2/default", Auth0: "https://tenant.eu.auth0.com/",
	Entra:  "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
	Google: googleIssuer, Keycloak: "https://sso.example.com/realms/main", Other: "https://idp.example.com",
}

var clientIDs = map[Kind]string{
	Okta: "0oa1b2c3d4e5f6g7h8i9", Auth0: "aBcDeF", Entra: "11111111-2222-3333-4444-555555555555",
	Google: "1-x.apps.googleusercontent.com", Keycloak: "drawbridge", Other: "id",
}

// as makes the fake answer as a provider of kind.
func (f *fake) as(k Kind) config.IDP {
	c := config.Default().IDP
	c.Issuer, c.ClientID = issuers[k], clientIDs[k]
	f.says["https://tenant.eu.auth0.com"] = issuers[Auth0]
	f.claims["iss"] = c.Issuer
	if k == Entra {
		f.claims["xms_edov"] = true
	}
	return c
}

// run is a dry run, with what was logged.
type run struct {
	*DryRun
	f   *fake
	log *bytes.Buffer
	now time.Time
	url url.Values // of the authorization request
}

func (f *fake) dryRun(t testing.TB, c config.IDP, access oauth.AccessList) *run {
	t.Helper()
	r := &run{f: f, log: &bytes.Buffer{}, now: time.Now()}
	r.DryRun = &DryRun{Now: func() time.Time { return r.now }}
	address, err := r.Start(t.Context(), idp.Config{Issuer: c.Issuer, ClientID: c.ClientID, Audience: c.Audience, Scopes: c.Scopes, RedirectURI: theRedirect,
		HTTPClient: f.client(), ClientSecret: secretOf(theSecret), Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, access, theConsole, false)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r.url = u.Query()
	f.nonce, f.challenge = r.url.Get("nonce"), r.url.Get("code_challenge")
	return r
}

// back comes back from the provider with pairs of parameter and value.
func (r *run) back(t testing.TB, pairs ...string) TrialStatus {
	t.Helper()
	answer := url.Values{"state": {r.url.Get("state")}}
	for i := 0; i < len(pairs); i += 2 {
		answer.Set(pairs[i], pairs[i+1])
	}
	if r.Callback(t.Context(), answer) != theConsole {
		t.Fatal("the answer was not taken for the dry run's")
	}
	st := r.Status()
	r.keepsQuiet(t, st)
	return st
}

// keepsQuiet checks that neither the log nor what is shown gives a token away.
func (r *run) keepsQuiet(t testing.TB, st TrialStatus) {
	t.Helper()
	all := r.log.String() + fmt.Sprintf("%+v %+v", st, st.Result)
	for _, secret := range []string{theSecret, theCode, theAccess, theRefresh, r.url.Get("state"), r.f.nonce} {
		if strings.Contains(all, secret) {
			t.Errorf("%s is told: %s", secret, all)
		}
	}
}

// isSentence checks what a person is shown: a sentence, with all its words, and
// known in Japanese.
func isSentence(t testing.TB, s Sentence, parts ...string) {
	t.Helper()
	text := s.String()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %q", part, text)
		}
	}
	if text == "" || strings.ContainsAny(text, "{}\n") {
		t.Errorf("%q is no sentence", text)
	}
	if !assets.Translated("ja", s.Text) {
		t.Errorf("not in Japanese: %q", s.Text)
	}
	if ja := s.In(assets.Translate("ja", s.Text)); strings.ContainsAny(ja, "{}") {
		t.Errorf("%q lacks a word", ja)
	}
}

func secretOf(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}
