package serverauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The whole life of a sign-in, as the requests show it.
func TestLife(t *testing.T) {
	r := newRig(t)
	q := r.begin("code-1")
	for name, want := range map[string]string{"response_type": "code", "client_id": "client-1", "code_challenge_method": "S256", "resource": toolsURL, "scope": "read write",
		"redirect_uri": "http://127.0.0.1:4711/server-sign-in/" + r.id("tools")} {
		if q.Get(name) != want {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	if len(q.Get("state")) < 43 || len(q.Get("code_challenge")) != 43 {
		t.Errorf("asked with %v", q)
	}
	if server, err := r.Finish(t.Context(), r.id("tools"), "", answer(q.Get("state"), "code-1")); err != nil || server != "tools" {
		t.Fatal(err)
	}
	if form := r.last(); form.Get("resource") != toolsURL || form.Get("code_verifier") == "" || form.Get("client_id") != "client-1" || form.Has("client_secret") {
		t.Errorf("redeemed with %v", form)
	}
	if r.token(nil) != "access-1" || r.token(person("bob", "s")) != "access-1" {
		t.Error("the owner's sign-in is not used for all")
	}
	if token, err := r.Token(t.Context(), "tools", "https://tools.example.com/mcp2", nil); token != "" || err != nil {
		t.Errorf("another address gets %q, %v", token, err)
	}
	if st := r.Status("tools"); st.State != status.SignInOK || st.As != status.AsOwner {
		t.Errorf("status %+v", st)
	}
	kept, err := r.keys.Get(t.Context(), "server/tools/sign-in")
	if err != nil || !strings.Contains(kept.Reveal(), "refresh-1") {
		t.Errorf("in the keychain: %v", err)
	}
	for _, value := range r.disk.data {
		if strings.Contains(string(value), "access-1") || strings.Contains(string(value), "refresh-1") {
			t.Errorf("in the state file: %s", value)
		}
	}
	r.start(config.Server{Name: "tools", URL: toolsURL}) // again
	if r.token(nil) != "access-1" {
		t.Error("it does not last")
	}
	// A minute before its end it is refreshed, once for all who come.
	r.later(3600*time.Second - 50*time.Second)
	r.set(func() {
		r.grant = map[string]any{"access_token": "access-2", "refresh_token": "refresh-2", "token_type": "bearer", "expires_in": 3600}
		r.forms = nil
	})
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if got := r.token(nil); got != "access-2" {
				t.Errorf("got %q", got)
			}
		})
	}
	all.Wait()
	if form := r.last(); len(r.forms) != 1 || form.Get("grant_type") != "refresh_token" || form.Get("refresh_token") != "refresh-1" || form.Get("resource") != toolsURL || form.Get("code") != "" {
		t.Errorf("refreshed with %v", r.forms)
	}
	// A refresh that fails for now keeps what there is, while that is good.
	r.later(3600*time.Second - 50*time.Second)
	r.set(func() { r.code, r.refusal = 503, "temporarily_unavailable" })
	if r.token(nil) != "access-2" {
		t.Error("a token that is still good was not used")
	}
	r.later(time.Minute)
	if _, err := r.Token(t.Context(), "tools", toolsURL, nil); err == nil {
		t.Error("no error while it can't be refreshed")
	}
	if st := r.Status("tools"); st.State != status.SignInOK {
		t.Errorf("an outage made it %+v", st)
	}
	r.set(func() { r.code, r.refusal = 200, "" })
	if r.token(nil) != "access-2" {
		t.Error("it did not come back")
	}
	// One that fails for good is a state.
	r.later(2 * time.Hour)
	r.set(func() { r.code, r.refusal = 400, "invalid_grant" })
	if r.token(nil) != "" {
		t.Error("a dead token was used")
	}
	if st := r.Status("tools"); st.State != status.SignInAgain {
		t.Errorf("it is %+v", st)
	}
	r.set(func() { r.code, r.refusal = 200, "" })
	r.signIn()
	if r.Status("tools").State != status.SignInOK {
		t.Errorf("signed in again it is %+v", r.Status("tools"))
	}
	r.SignOut("tools")
	r.Close()
	if form := r.last(); form.Get("token") != "refresh-2" || form.Get("token_type_hint") != "refresh_token" || form.Get("client_id") != "client-1" {
		t.Errorf("revoked with %v", form)
	}
	if _, err := r.keys.Get(t.Context(), "server/tools/sign-in"); err != keystore.ErrNotFound || len(r.disk.data) != 0 || r.token(nil) != "" {
		t.Errorf("something is left: %v, %d records", err, len(r.disk.data))
	}
	r.noSecret()
}

// What is longer than a keychain takes is sealed in the state file.
func TestLongTokens(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("x", 3000)
	r.grant["access_token"] = long
	r.signIn()
	r.start(config.Server{Name: "tools", URL: toolsURL})
	if r.token(nil) != long {
		t.Error("it is lost")
	}
}

// The server's own word, that it takes a token no longer, counts.
func TestRefusedTokens(t *testing.T) {
	r := newRig(t)
	r.signIn()
	refused := func(token string, code int, challenge string) (bool, error) {
		return r.Refused(t.Context(), "tools", toolsURL, nil, token, code, []string{challenge})
	}
	r.later(10 * time.Second)
	r.set(func() { r.grant["access_token"] = "access-2" })
	if again, err := refused("access-1", 401, "Bearer"); !again || err != nil || r.token(nil) != "access-2" {
		t.Errorf("revoked early: %v, %v", again, err)
	}
	if again, err := refused("access-1", 401, "Bearer"); !again || err != nil {
		t.Errorf("one that somebody else has replaced: %v, %v", again, err)
	}
	if again, err := refused("access-2", 403, `Bearer error="insufficient_scope", scope="admin"`); again || err == nil || r.Status("tools").State != status.SignInAgain {
		t.Errorf("a larger scope: %v, %v", again, err)
	}
	if q := r.begin("code-2"); q.Get("scope") != "read write admin" {
		t.Errorf("asks for %q", q.Get("scope"))
	} else if _, err := r.Finish(t.Context(), r.id("tools"), "", answer(q.Get("state"), "code-2")); err != nil {
		t.Fatal(err)
	}
	if again, err := refused("access-2", 403, `Bearer error="insufficient_scope", scope="admin"`); again || err != nil {
		t.Errorf("a scope that it has: %v, %v", again, err)
	}
	if again, err := refused("", 401, "Basic realm=x"); again || err != nil {
		t.Errorf("a password: %v, %v", again, err)
	}
	if again, err := refused("access-2", 401, "Bearer"); again || err == nil || r.Status("tools").State != status.SignInAgain { // it is new
		t.Errorf("a new token is refused: %v, %v", again, err)
	}
	r.noSecret()
}

// A server that is gone from mcp.json is signed out of, unless the file could not
// be read as a whole.
func TestRemoved(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.Keep(nil, false)
	r.Keep([]config.Server{{Name: "tools", URL: toolsURL}}, true)
	if r.token(nil) != "access-1" {
		t.Error("a mistake in mcp.json signed out")
	}
	r.Keep([]config.Server{{Name: "tools", URL: "https://evil.example.com/mcp"}}, true)
	if r.token(nil) != "" || r.Status("tools").State == status.SignInOK {
		t.Error("the sign-in of another address counts")
	}
	r.Keep([]config.Server{{Name: "tools", URL: toolsURL}}, true)
	r.signIn()
	r.Keep(nil, true)
	r.Close()
	if form := r.last(); form.Get("token") != "refresh-1" {
		t.Errorf("revoked with %v", form)
	}
}

// Who takes a server out, moves it, signs out or gives everybody's accounts up means
// the sign-in under way as well, also while its code is being redeemed.
func TestEndedWhileUnderWay(t *testing.T) {
	each := config.Server{Name: "tools", URL: toolsURL, ServerSettings: config.ServerSettings{SignIn: status.AsEach}}
	for name, end := range map[string]func(*rig){
		"signed out": func(r *rig) { r.SignOut("tools") },
		"everywhere": func(r *rig) { r.SignOut("") },
		"taken out":  func(r *rig) { r.Keep(nil, true) },
		"moved":      func(r *rig) { r.Keep([]config.Server{{Name: "tools", URL: "https://evil.example.com/mcp"}}, true) },
		"the session is over": func(r *rig) {
			r.Forget(func(session string) bool { return session == "session-b" })
		},
		"as the owner": func(r *rig) { r.Keep([]config.Server{{Name: "tools", URL: toolsURL}}, true) },
	} {
		for _, redeeming := range []bool{false, true} {
			r := newRig(t, each)
			bob, browser := person("bob", "session-b"), "b1"
			state := r.personBegins(bob, browser, "code-1")
			if name != "as the owner" && name != "the session is over" {
				browser, state = "", r.begin("code-1").Get("state")
			}
			if redeeming {
				r.set(func() {
					r.routes[issuer+"/token"] = func(w http.ResponseWriter, _ *http.Request) {
						r.mu.Unlock() // of serve
						end(r)
						r.mu.Lock()
						w.Header().Set("Content-Type", "application/json")
						_ = json.NewEncoder(w).Encode(r.grant)
					}
				})
			} else {
				end(r)
			}
			if _, err := r.Finish(t.Context(), r.id("tools"), browser, answer(state, "code-1")); err == nil {
				t.Errorf("%s, redeeming %v: signed in", name, redeeming)
			}
			r.Keep([]config.Server{each}, true)
			if r.token(nil) != "" || r.token(bob) != "" || r.Status("tools").People != 0 || len(r.disk.data) != 0 {
				t.Errorf("%s, redeeming %v: a token is left, %d records", name, redeeming, len(r.disk.data))
			}
			if redeeming && (r.forms == nil || r.last().Get("token") != "refresh-1") {
				t.Errorf("%s: what was given was not given back: %v", name, r.forms)
			}
		}
	}
}

// A server that asks for other scopes at each request costs no memory for it.
func TestScopesWithoutEnd(t *testing.T) {
	r := newRig(t)
	r.signIn()
	for i := range 300 {
		_, err := r.Refused(t.Context(), "tools", toolsURL, nil, "access-1", 403, []string{fmt.Sprintf(`Bearer error="insufficient_scope", scope="s%d %s"`, i, strings.Repeat(strconv.Itoa(i), 500))})
		if i == 0 && err == nil {
			t.Fatal("no new sign-in is asked for")
		}
	}
	for place, value := range r.disk.data {
		if len(value) > 20_000 {
			t.Errorf("%s has %d bytes", place, len(value))
		}
	}
	if r.Status("tools").State != status.SignInAgain {
		t.Error("nobody is told")
	}
}

// What can't be revoked now is at the next start.
func TestRevokedLater(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.set(func() {
		r.routes[issuer+"/revoke"] = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "away", http.StatusBadGateway) }
	})
	r.SignOut("tools")
	r.Close()
	if r.token(nil) != "" || len(r.disk.data) != 1 {
		t.Errorf("away, there are %d records", len(r.disk.data))
	}
	r.set(func() { clear(r.routes) })
	r.start(config.Server{Name: "tools", URL: toolsURL})
	r.Close()
	if form := r.last(); r.token(nil) != "" || form.Get("token") != "refresh-1" || len(r.disk.data) != 0 {
		t.Errorf("later: %v, %d records", form, len(r.disk.data))
	}
}

// Who we are: the owner's client, a document, or a registration.
func TestClients(t *testing.T) {
	r := newRig(t, config.Server{Name: "tools", URL: toolsURL, ServerSettings: config.ServerSettings{ClientID: "mine"}})
	if err := r.keys.Set(t.Context(), "server/tools/client_secret", keystore.NewSecret("hush")); err != nil {
		t.Fatal(err)
	}
	r.server["registration_endpoint"] = nil
	r.signIn()
	if form := r.last(); form.Get("basic") != "mine:hush" || form.Has("client_secret") {
		t.Errorf("the owner's client: %v", form)
	}
	for _, value := range r.disk.data {
		if strings.Contains(string(value), "hush") {
			t.Errorf("its secret is in the state file")
		}
	}
	r = newRig(t)
	r.server["client_id_metadata_document_supported"] = true
	q := r.begin("code-1")
	id := r.id("tools")
	if q.Get("client_id") != "https://me.example.com/sign-in/"+id+"/client" {
		t.Errorf("by document it is %q", q.Get("client_id"))
	}
	var d struct {
		ID        string   `json:"client_id"`
		Redirects []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal(r.Document(id), &d); err != nil || d.ID != q.Get("client_id") || !slices.Contains(d.Redirects, q.Get("redirect_uri")) {
		t.Errorf("the document: %s", r.Document(id))
	}
	if r.Document("tools") != nil {
		t.Error("a server's name leads to its document")
	}
	r = newRig(t)
	delete(r.server, "registration_endpoint")
	if _, err := r.Begin(t.Context(), "tools", toolsURL); err == nil || !strings.Contains(err.Error(), "client_id in [server.tools]") || !strings.Contains(err.Error(), "/server-sign-in/") {
		t.Errorf("no way to register: %v", err)
	}
}
