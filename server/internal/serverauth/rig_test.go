package serverauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	toolsURL = "https://tools.example.com/mcp"
	issuer   = "https://login.example.com"
)

// rig is our sign-ins and a world of public hosts that live in this process; every
// other host is really dialled, by the guard.
type rig struct {
	*SignIns
	t     *testing.T
	keys  keystore.Store
	disk  *disk
	log   *strings.Builder
	clock time.Time

	mu        sync.Mutex // guards all below
	resource  map[string]any
	server    map[string]any
	challenge string
	grant     map[string]any // of the token endpoint
	refusal   string         // its error code; "" none
	code      int            // its status
	codes     map[string]string
	asked     []string // what was requested: METHOD URL
	heard     []string // who has done what they were asked to
	forms     []url.Values
	routes    map[string]http.HandlerFunc // by URL, before all else
}

// disk keeps records in memory.
type disk struct {
	mu   sync.Mutex
	data map[string][]byte
}

func (d *disk) Save(changes []oauth.Change, _ ...status.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range changes {
		if d.data[c.Key] = c.Value; c.Value == nil {
			delete(d.data, c.Key)
		}
	}
	return nil
}

func (d *disk) Load(_ string, each func(string, []byte) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, v := range d.data {
		if err := each(k, v); err != nil {
			return err
		}
	}
	return nil
}

func newRig(t *testing.T, servers ...config.Server) *rig {
	t.Helper()
	r := &rig{t: t, keys: keystore.Memory(), disk: &disk{data: map[string][]byte{}}, log: &strings.Builder{}, clock: time.Unix(1_800_000_000, 0), codes: map[string]string{},
		challenge: `Bearer resource_metadata="https://tools.example.com/.well-known/oauth-protected-resource/mcp", scope="read write"`,
		resource:  map[string]any{"resource": toolsURL, "authorization_servers": []string{issuer}},
		server: map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "registration_endpoint": issuer + "/register",
			"revocation_endpoint": issuer + "/revoke", "code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true},
		grant: map[string]any{"access_token": "access-1", "refresh_token": "refresh-1", "token_type": "Bearer", "expires_in": 3600}, code: 200, routes: map[string]http.HandlerFunc{}}
	if servers == nil {
		servers = []config.Server{{Name: "tools", URL: toolsURL}}
	}
	r.start(servers...)
	return r
}

func (r *rig) start(servers ...config.Server) {
	r.t.Helper()
	var err error
	r.SignIns, err = New(Options{Base: "https://me.example.com", Loopback: func() string { return "http://127.0.0.1:4711" }, DataKey: make([]byte, 32), Keystore: r.keys,
		Saver: r.disk, Records: r.disk, Changed: func(string) {}, Told: r.told, Now: r.now, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Client: func(host string) *http.Client {
			c := *(*outbound.Network)(nil).Named(host)
			c.Transport = world{r, c.Transport}
			return &c
		}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Keep(servers, true)
	r.t.Cleanup(r.Close)
}

func (r *rig) told(session, server, asked string) {
	r.heard = append(r.heard, session+" "+server+" "+asked)
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

func (r *rig) later(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock = r.clock.Add(d)
}

type world struct {
	r    *rig
	rest http.RoundTripper
}

func (w world) RoundTrip(req *http.Request) (*http.Response, error) {
	if host := req.URL.Host; req.URL.Scheme != "https" || !strings.HasSuffix(host, ".example.com") {
		return w.rest.RoundTrip(req)
	}
	rec := httptest.NewRecorder()
	w.r.serve(rec, req)
	return rec.Result(), nil
}

func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, req.Method+" "+req.URL.String())
	if h := r.routes[req.URL.String()]; h != nil {
		h(w, req)
		return
	}
	reply := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch req.URL.String() {
	case toolsURL:
		w.Header().Set("WWW-Authenticate", r.challenge)
		w.WriteHeader(http.StatusUnauthorized)
	case "https://tools.example.com/.well-known/oauth-protected-resource/mcp":
		reply(200, r.resource)
	case issuer + "/.well-known/oauth-authorization-server":
		reply(200, r.server)
	case issuer + "/register":
		var in map[string]any
		_ = json.NewDecoder(req.Body).Decode(&in)
		if in["application_type"] != "native" || in["token_endpoint_auth_method"] != "none" {
			r.t.Errorf("registered with %v", in)
		}
		reply(201, map[string]any{"client_id": "client-1", "redirect_uris": in["redirect_uris"]})
	case issuer + "/token":
		r.forms = append(r.forms, req.PostForm)
		if user, secret, ok := req.BasicAuth(); ok {
			req.PostForm.Set("basic", user+":"+secret)
		}
		verifier := sha256.Sum256([]byte(req.PostForm.Get("code_verifier")))
		switch {
		case req.PostForm.Get("grant_type") == "authorization_code" && r.codes[req.PostForm.Get("code")] != base64.RawURLEncoding.EncodeToString(verifier[:]):
			reply(400, map[string]any{"error": "invalid_grant", "error_description": "secret-looking text eyJhbGciOi"})
		case r.refusal != "" || r.code != 200:
			reply(r.code, map[string]any{"error": r.refusal})
		default:
			delete(r.codes, req.PostForm.Get("code"))
			reply(200, r.grant)
		}
	case issuer + "/revoke":
		r.forms = append(r.forms, req.PostForm)
		w.WriteHeader(200)
	default:
		http.NotFound(w, req)
	}
}

// begin begins the owner's sign-in, and has the provider give code for it.
func (r *rig) begin(code string) url.Values {
	r.t.Helper()
	at, err := r.Begin(r.t.Context(), "tools", toolsURL)
	if err != nil {
		r.t.Fatal(err)
	}
	u, _ := url.Parse(at)
	r.mu.Lock()
	r.codes[code] = u.Query().Get("code_challenge")
	r.mu.Unlock()
	return u.Query()
}

// personBegins is begin for somebody with a link, and returns the state.
func (r *rig) personBegins(who *oauth.Caller, browser, code string) string {
	r.t.Helper()
	_, err := r.Refused(r.t.Context(), "tools", toolsURL, who, "", 401, []string{r.challenge})
	needed, _ := errors.AsType[*Needed](err)
	if needed == nil {
		r.t.Fatal(err)
	}
	_, id, _ := strings.Cut(needed.Link, "link=")
	r.Open(id, browser)
	at, err := r.Proven(r.t.Context(), id, browser, oauth.Identity{Issuer: who.Issuer, Subject: who.User.Sub})
	if err != nil {
		r.t.Fatal(err)
	}
	u, _ := url.Parse(at)
	r.set(func() { r.codes[code] = u.Query().Get("code_challenge") })
	return u.Query().Get("state")
}

// answer is what the provider sends the browser back with.
func answer(state, code string, more ...string) url.Values {
	v := url.Values{"state": {state}, "code": {code}, "iss": {issuer}}
	for i := 0; i < len(more); i += 2 {
		if v.Set(more[i], more[i+1]); more[i+1] == "" {
			v.Del(more[i])
		}
	}
	return v
}

// signIn is the owner's whole sign-in.
func (r *rig) signIn() {
	r.t.Helper()
	q := r.begin("code-1")
	if _, err := r.Finish(r.t.Context(), r.id("tools"), "", answer(q.Get("state"), "code-1")); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) token(who *oauth.Caller) string {
	r.t.Helper()
	token, err := r.Token(r.t.Context(), "tools", toolsURL, who)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// last is the last form that a token or revocation endpoint got.
func (r *rig) last() url.Values {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.forms[len(r.forms)-1]
}

func (r *rig) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// noSecret fails if what looks like a token or a code stands in the log.
func (r *rig) noSecret() {
	r.t.Helper()
	for _, secret := range []string{"access-", "refresh-", "code-1", "eyJ", "hush"} {
		if strings.Contains(r.log.String(), secret) {
			r.t.Errorf("%s is in the log:\n%s", secret, r.log)
		}
	}
}

func person(sub, session string) *oauth.Caller {
	return &oauth.Caller{Session: session, Issuer: "https://idp.example.com", User: status.User{Sub: sub, Email: fmt.Sprintf("%s@example.com", sub)}}
}
