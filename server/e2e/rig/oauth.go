package rig

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// ClientURI is where the tests' own client waits for its answer. Nobody
// listens there: the browser stops before it.
const ClientURI = "http://localhost:7777/callback"

// Client is a program registered with Drawbridge.
type Client struct {
	ID          string
	RedirectURI string
}

// Tokens is an answer of the token endpoint.
type Tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"` // seconds
	Scope     string `json:"scope"`
}

// Reply is an answer of an endpoint that speaks JSON.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body into v.
func (r *Reply) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Body), v); err != nil {
		t.Fatalf("status %d, not JSON: %v: %s", r.Status, err, Clip(r.Body))
	}
}

// Error returns the OAuth error code of the body, "" if it has none.
func (r *Reply) Error() string {
	var e struct{ Error string }
	_ = json.Unmarshal([]byte(r.Body), &e)
	return e.Error
}

// Want fails the test unless r has this status and OAuth error code.
func (r *Reply) Want(t testing.TB, status int, code string) {
	t.Helper()
	if r.Status != status || r.Error() != code {
		t.Fatalf("answered %d %q, want %d %q: %s", r.Status, r.Error(), status, code, Clip(r.Body))
	}
}

// AuthRequest is an authorization request as a well-behaved client makes it.
// Tests change Values to misbehave.
type AuthRequest struct {
	Client   Client
	Verifier string
	Values   url.Values
}

// URL returns the address to open in a browser.
func (r *AuthRequest) URL(app *App) string { return app.URL + "/authorize?" + r.Values.Encode() }

// NewAuthRequest returns a fresh authorization request of c for /mcp.
func (app *App) NewAuthRequest(c Client) *AuthRequest {
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	return &AuthRequest{Client: c, Verifier: verifier, Values: url.Values{
		"response_type":         {"code"},
		"client_id":             {c.ID},
		"redirect_uri":          {c.RedirectURI},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(sum[:])},
		"code_challenge_method": {"S256"},
		"state":                 {rand.Text()},
		"resource":              {app.MCPURL},
		"scope":                 {"openid profile email"},
	}}
}

// Register registers a public client with these redirect URIs (RFC 7591).
func (app *App) Register(t testing.TB, redirectURIs ...string) Client {
	t.Helper()
	reply := app.PostJSON(t, "/register", map[string]any{
		"client_name": "Test client", "redirect_uris": redirectURIs,
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"token_endpoint_auth_method": "none", "application_type": "native",
	})
	if reply.Status != http.StatusCreated {
		t.Fatalf("register answered %d: %s", reply.Status, Clip(reply.Body))
	}
	var c struct {
		ID string `json:"client_id"`
	}
	reply.JSON(t, &c)
	return Client{ID: c.ID, RedirectURI: redirectURIs[0]}
}

// Code signs user in with req and returns the authorization code. It checks
// what every answer must carry: state and iss (RFC 9207), and no error.
func (app *App) Code(t testing.TB, b *Browser, req *AuthRequest, user string) string {
	t.Helper()
	q := b.SignIn(req.URL(app), req.Client.RedirectURI, user).Query()
	if q.Get("error") != "" || q.Get("code") == "" {
		t.Fatalf("the sign-in gave error %q: %s", q.Get("error"), q.Get("error_description"))
	}
	if q.Get("state") != req.Values.Get("state") || q.Get("iss") != app.URL {
		t.Fatalf("state kept: %t, iss %q, want %q", q.Get("state") == req.Values.Get("state"), q.Get("iss"), app.URL)
	}
	return q.Get("code")
}

// SignIn signs user in with client c in browser b and redeems the code.
func (app *App) SignIn(t testing.TB, b *Browser, c Client, user string) Tokens {
	t.Helper()
	req := app.NewAuthRequest(c)
	return app.MustTokens(t, app.Redeem(t, req, app.Code(t, b, req, user)))
}

// Redeem exchanges code as the client of req does (RFC 6749 §4.1.3). Pairs of
// name and value in change replace parameters; an empty value takes one out.
func (app *App) Redeem(t testing.TB, req *AuthRequest, code string, change ...string) *Reply {
	t.Helper()
	return app.PostForm(t, "/token", With(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {req.Client.ID},
		"redirect_uri": {req.Client.RedirectURI}, "code_verifier": {req.Verifier}, "resource": {req.Values.Get("resource")},
	}, change))
}

// Refresh asks for new tokens (RFC 6749 §6); change is as in Redeem.
func (app *App) Refresh(t testing.TB, c Client, refreshToken string, change ...string) *Reply {
	t.Helper()
	return app.PostForm(t, "/token", With(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "client_id": {c.ID}, "resource": {app.MCPURL},
	}, change))
}

// MustRefresh is Refresh that has to succeed.
func (app *App) MustRefresh(t testing.TB, c Client, refreshToken string) Tokens {
	t.Helper()
	return app.MustTokens(t, app.Refresh(t, c, refreshToken))
}

// Revoke asks for the end of a token (RFC 7009).
func (app *App) Revoke(t testing.TB, c Client, token string) *Reply {
	t.Helper()
	return app.PostForm(t, "/revoke", url.Values{"token": {token}, "client_id": {c.ID}})
}

func (app *App) MustTokens(t testing.TB, reply *Reply) Tokens {
	t.Helper()
	if reply.Status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d: %s", reply.Status, Clip(reply.Body))
	}
	if cc := reply.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
		t.Errorf("tokens came with Cache-Control %q, want no-store (RFC 6749 §5.1)", cc)
	}
	var tokens Tokens
	reply.JSON(t, &tokens)
	if tokens.Access == "" || !strings.EqualFold(tokens.Type, "Bearer") {
		t.Fatalf("no bearer token in the answer: type %q", tokens.Type)
	}
	return tokens
}

func With(v url.Values, change []string) url.Values {
	for i := 0; i+1 < len(change); i += 2 {
		v.Del(change[i])
		if change[i+1] != "" {
			v.Set(change[i], change[i+1])
		}
	}
	return v
}

// PostForm posts a form to path, as programs do: no cookies, no Origin.
func (app *App) PostForm(t testing.TB, path string, values url.Values) *Reply {
	t.Helper()
	return app.Do(t, http.MethodPost, path, strings.NewReader(values.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

// PostJSON posts v as JSON to path.
func (app *App) PostJSON(t testing.TB, path string, v any) *Reply {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return app.Do(t, http.MethodPost, path, strings.NewReader(string(body)), "Content-Type", "application/json")
}

// Get gets path.
func (app *App) Get(t testing.TB, path string) *Reply {
	t.Helper()
	return app.Do(t, http.MethodGet, path, nil)
}

// Do makes one request at path, with headers as pairs of name and value, and
// follows no redirect. The header Host sets the request's host.
func (app *App) Do(t testing.TB, method, path string, body io.Reader, headers ...string) *Reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, app.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := PlainHTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(data)}
}

// Addresses that the attacks use. Nobody serves any of them.
const (
	ClaudeURI = "https://claude.ai/api/mcp/auth_callback"
	ChatURI   = "https://chatgpt.com/connector_platform_oauth_redirect"
	CursorURI = "cursor://anysphere.cursor-mcp/oauth/callback"
	EvilURI   = "https://evil.example/callback"
)
