package signins_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// hostile is a server with an authorization server of its own, both honest but
// for what a test spoils.
type hostile struct {
	*httptest.Server
	mu       sync.Mutex // guards all below
	spoil    map[string]func(w http.ResponseWriter, r *http.Request, honest map[string]any)
	asked    map[string]int
	carrying string // the Authorization of the last request at /mcp
}

func startHostile(t *testing.T) *hostile {
	h := &hostile{asked: map[string]int{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hostile) set(path string, spoil func(w http.ResponseWriter, r *http.Request, honest map[string]any)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.spoil = map[string]int{}, map[string]func(http.ResponseWriter, *http.Request, map[string]any){path: spoil}
}

func (h *hostile) count(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[path]
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked[r.URL.Path]++
	spoil := h.spoil[r.URL.Path]
	if r.URL.Path == "/mcp" {
		h.carrying = r.Header.Get("Authorization")
	}
	h.mu.Unlock()
	honest := map[string]map[string]any{
		"/.well-known/oauth-protected-resource/mcp": {"resource": h.URL + "/mcp", "authorization_servers": []string{h.URL}},
		"/.well-known/oauth-authorization-server": {"issuer": h.URL, "authorization_endpoint": h.URL + "/authorize", "token_endpoint": h.URL + "/token",
			"registration_endpoint": h.URL + "/register", "code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true},
		"/register": {"client_id": "c"},
		"/token":    {"access_token": "the-token", "token_type": "Bearer", "expires_in": 3600},
	}[r.URL.Path]
	if spoil != nil {
		spoil(w, r, honest)
		return
	}
	if honest == nil {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+h.URL+`/.well-known/oauth-protected-resource/mcp"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer(w, honest)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// with answers honestly but for some members.
func with(members map[string]any) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(w http.ResponseWriter, _ *http.Request, honest map[string]any) {
		for name, value := range members {
			if honest[name] = value; value == nil {
				delete(honest, name)
			}
		}
		answer(w, honest)
	}
}

// It handles whatever a hostile server says of itself, and of where to sign in:
// refused in a sentence, before a browser is led anywhere or a code is sent.
func TestHostileServer(t *testing.T) {
	h := startHostile(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s came elsewhere, with %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	redirect := func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}
	flood := func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":"%s"}`, strings.Repeat("x", 10<<20))
	}
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"evil": {URL: h.URL + "/mcp"}}))
	const resource, as = "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"
	for name, c := range map[string]struct {
		path  string
		spoil func(http.ResponseWriter, *http.Request, map[string]any)
		says  string
	}{
		"the resource of another":             {resource, with(map[string]any{"resource": "http://127.0.0.1:1/mcp"}), "for another server"},
		"a sibling as its resource":           {resource, with(map[string]any{"resource": h.URL + "/mcp2"}), "for another server"},
		"an authorization server by ftp":      {resource, with(map[string]any{"authorization_servers": []string{"ftp://127.0.0.1/"}}), "must not lead to"},
		"one with a password":                 {resource, with(map[string]any{"authorization_servers": []string{strings.Replace(h.URL, "//", "//a:b@", 1)}}), "must not lead to"},
		"metadata that leads elsewhere":       {resource, redirect, ""},
		"10 MB about itself":                  {resource, flood, "more than can be read"},
		"another issuer":                      {as, with(map[string]any{"issuer": "https://accounts.example.com"}), "another name (issuer)"},
		"an authorization page in clear":      {as, with(map[string]any{"authorization_endpoint": "http://example.com/authorize"}), "must not lead to"},
		"an authorization page that is code":  {as, with(map[string]any{"authorization_endpoint": "javascript:alert(1)"}), "must not lead to"},
		"an authorization page that is data":  {as, with(map[string]any{"authorization_endpoint": "data:text/html,x"}), "must not lead to"},
		"a file as token endpoint":            {as, with(map[string]any{"token_endpoint": "file:///etc/passwd"}), "must not lead to"},
		"a token endpoint in clear":           {as, with(map[string]any{"token_endpoint": "http://example.com/token"}), "must not lead to"},
		"sign-in at another place":            {as, with(map[string]any{"authorization_endpoint": "https://accounts.example.com/authorize", "authorization_response_iss_parameter_supported": nil}), "another place"},
		"no PKCE":                             {as, with(map[string]any{"code_challenge_methods_supported": []string{"plain"}}), "PKCE"},
		"10 MB about its authorization":       {as, flood, "more than can be read"},
		"authorization metadata elsewhere":    {as, redirect, ""},
		"a registration that leads elsewhere": {"/register", redirect, "register"},
		"10 MB of registration":               {"/register", flood, ""},
		"nothing but the wrong kinds": {as, func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			answer(w, map[string]any{"issuer": 7, "token_endpoint": []int{1}})
		}, ""},
	} {
		h.set(c.path, c.spoil)
		location, err := app.Srv.SignInServer(t.Context(), "evil")
		if err == nil || location != "" || !strings.HasPrefix(err.Error(), "evil ") || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "{") {
			t.Errorf("%s: %q, %v", name, location, err)
		}
		if h.count("/token") > 0 {
			t.Errorf("%s: the token endpoint was asked", name)
		}
	}

	// And in what it answers.
	finish := func(spoil func(q url.Values)) error {
		t.Helper()
		location, err := app.Srv.SignInServer(t.Context(), "evil")
		if err != nil {
			t.Fatal(err)
		}
		sent := rig.MustParse(t, location).Query()
		q := url.Values{"code": {"the-code"}, "state": sent["state"], "iss": {h.URL}}
		spoil(q)
		return app.Srv.FinishSignIn(t.Context(), "evil", sent.Get("redirect_uri")+"?"+q.Encode())
	}
	well := func(url.Values) {}
	for name, spoil := range map[string]func(q url.Values){
		"an issuer that is another":   func(q url.Values) { q.Set("iss", "https://accounts.example.com") },
		"two issuers":                 func(q url.Values) { q["iss"] = []string{h.URL, "https://accounts.example.com"} },
		"no issuer, though it sends":  func(q url.Values) { q.Del("iss") },
		"somebody else's state":       func(q url.Values) { q.Set("state", "x") },
		"no state":                    func(q url.Values) { q.Del("state") },
		"an error with markup":        func(q url.Values) { q.Del("code"); q.Set("error", "<script>"+strings.Repeat("x", 9000)) },
		"an error of another issuer":  func(q url.Values) { q.Set("error", "access_denied"); q.Set("iss", "https://accounts.example.com") },
		"an error and a code at once": func(q url.Values) { q.Set("error", "access_denied") },
	} {
		h.set("", nil)
		if err := finish(spoil); err == nil || len(err.Error()) > 400 || h.count("/token") > 0 {
			t.Errorf("%s: %v; the token endpoint was asked %d times", name, err, h.count("/token"))
		}
	}
	for name, spoil := range map[string]func(http.ResponseWriter, *http.Request, map[string]any){
		"a token endpoint that leads elsewhere": redirect,
		"10 MB of tokens":                       flood,
		"a token with a line break":             with(map[string]any{"access_token": "a\r\nX-Evil: 1"}),
		"a token of another kind":               with(map[string]any{"token_type": "mac"}),
		"no token":                              with(map[string]any{"access_token": nil}),
	} {
		h.set("/token", spoil)
		if err := finish(well); err == nil || !strings.HasPrefix(err.Error(), "evil ") || signInOf(app, "evil").SignIn.State != status.SignInNeeded {
			t.Errorf("%s: %v", name, err)
		}
	}

	// A token goes to the server that it was asked for, and nowhere else.
	h.set("/mcp", redirect)
	if err := finish(well); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the token to be used", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.carrying == "Bearer the-token" })
	rig.WaitFor(t, "the redirect to be refused", func() bool { return signInOf(app, "evil").State == "failed" })
	other := startHostile(t)
	rig.WriteServers(t, app.Options.ConfigFile, map[string]rig.MCPServer{"evil": {URL: other.URL + "/mcp"}})
	rig.WaitFor(t, "the other address to be asked", func() bool { return other.count("/mcp") > 0 })
	rig.WaitFor(t, "the need to sign in there", func() bool { return signInOf(app, "evil").SignIn.State == status.SignInNeeded })
	other.mu.Lock()
	defer other.mu.Unlock()
	if other.carrying != "" {
		t.Errorf("another address got %q", other.carrying)
	}
	for _, secret := range []string{"the-token", "the-code"} {
		if strings.Contains(app.Log.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// A server that lets no program register itself, as many do: it is said what to
// register there, and the owner's client and its secret are used then.
func TestOwnClient(t *testing.T) {
	h := startHostile(t)
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"github": {URL: h.URL + "/mcp"}}))
	h.set("/.well-known/oauth-authorization-server", with(map[string]any{"registration_endpoint": nil}))
	_, err := app.Srv.SignInServer(t.Context(), "github")
	if err == nil || !strings.Contains(err.Error(), "redirect URI http://127.0.0.1:") || !strings.Contains(err.Error(), "client_id in [server.github]") {
		t.Fatalf("without a client: %v", err)
	}
	if err := app.Srv.ChangeConfig(t.Context(), func(c *config.Config) error {
		c.Servers = map[string]config.ServerSettings{"github": {ClientID: "app 7"}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := app.Srv.SetSecret(t.Context(), "github", config.ClientSecret, "hunter2"); err != nil {
		t.Fatal(err)
	}
	location, err := app.Srv.SignInServer(t.Context(), "github")
	if err != nil || rig.MustParse(t, location).Query().Get("client_id") != "app 7" {
		t.Fatalf("with one: %s, %v", location, err)
	}
	var id, secret string
	h.set("/token", func(w http.ResponseWriter, r *http.Request, honest map[string]any) {
		id, secret, _ = r.BasicAuth()
		answer(w, honest)
	})
	sent := rig.MustParse(t, location).Query()
	if err := app.Srv.FinishSignIn(t.Context(), "github", sent.Get("redirect_uri")+"?"+url.Values{"code": {"c"}, "state": sent["state"], "iss": {h.URL}}.Encode()); err != nil {
		t.Fatal(err)
	}
	if id != "app+7" || secret != "hunter2" { // RFC 6749 §2.3.1
		t.Errorf("it came as %q with %q", id, secret)
	}
	if err := app.Srv.RemoveServer(t.Context(), "github"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{config.ClientSecret, "sign-in"} {
		if _, err := app.Options.Keystore.Get(t.Context(), keystore.ServerSecret("github", name)); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("%s is still in the keychain: %v", name, err)
		}
	}
}
