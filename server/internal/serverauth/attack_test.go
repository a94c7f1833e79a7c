package serverauth

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// trap counts who connects to this computer.
func trap(t *testing.T) (address string, caught *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	caught = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			caught.Add(1)
			_ = conn.Close()
		}
	}()
	return l.Addr().String(), caught
}

// What a hostile server says of where people sign in: nothing of this network is
// asked, and no sign-in begins.
func TestHostileMetadata(t *testing.T) {
	here, caught := trap(t)
	big := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"pad":"%s"}`, issuer, strings.Repeat("x", 10<<20))
	}
	metadata := issuer + "/.well-known/oauth-authorization-server"
	for name, c := range map[string]struct {
		how  func(*rig)
		says string
	}{
		"issuer mismatch":                  {func(r *rig) { r.server["issuer"] = "https://other.example.com" }, "another name (issuer)"},
		"no issuer":                        {func(r *rig) { delete(r.server, "issuer") }, "another name (issuer)"},
		"resource of another server":       {func(r *rig) { r.resource["resource"] = "https://victim.example.com/mcp" }, "for another server"},
		"resource beside":                  {func(r *rig) { r.resource["resource"] = "https://tools.example.com/mcp-admin" }, "for another server"},
		"resource below":                   {func(r *rig) { r.resource["resource"] = toolsURL + "/admin" }, "for another server"},
		"resource with user":               {func(r *rig) { r.resource["resource"] = "https://a@tools.example.com/mcp" }, "for another server"},
		"no resource":                      {func(r *rig) { delete(r.resource, "resource") }, "for another server"},
		"challenge to this computer":       {func(r *rig) { r.challenge = `Bearer resource_metadata="http://` + here + `/"` }, "must not lead to"},
		"challenge to a private address":   {func(r *rig) { r.challenge = `Bearer resource_metadata="https://10.0.0.1/"` }, "must not lead to"},
		"challenge in clear":               {func(r *rig) { r.challenge = `Bearer resource_metadata="http://tools.example.com/x"` }, "must not lead to"},
		"challenge to a file":              {func(r *rig) { r.challenge = `Bearer resource_metadata="file:///etc/passwd"` }, "must not lead to"},
		"issuer on this computer":          {func(r *rig) { r.resource["authorization_servers"] = []string{"http://" + here} }, "must not lead to"},
		"issuer on this computer, https":   {func(r *rig) { r.resource["authorization_servers"] = []string{"https://localhost:1"} }, "must not lead to"},
		"issuer in the house":              {func(r *rig) { r.resource["authorization_servers"] = []string{"https://router.lan"} }, "must not lead to"},
		"issuer where clouds keep secrets": {func(r *rig) { r.resource["authorization_servers"] = []string{"https://169.254.169.254"} }, "must not lead to"},
		"issuer with a query":              {func(r *rig) { r.resource["authorization_servers"] = []string{issuer + "?x=1"} }, "must not lead to"},
		"pages on this computer":           {func(r *rig) { r.server["authorization_endpoint"] = "http://" + here + "/x" }, "must not lead to"},
		"pages that are a script":          {func(r *rig) { r.server["authorization_endpoint"] = "javascript:alert(1)" }, "must not lead to"},
		"pages elsewhere": {func(r *rig) {
			r.server["authorization_endpoint"] = "https://victim.example.com/authorize"
			delete(r.server, "authorization_response_iss_parameter_supported")
		}, "at another place"},
		"tokens on this computer":           {func(r *rig) { r.server["token_endpoint"] = "https://127.0.0.1/token" }, "must not lead to"},
		"tokens in clear":                   {func(r *rig) { r.server["token_endpoint"] = "http://login.example.com/token" }, "must not lead to"},
		"registration in the house":         {func(r *rig) { r.server["registration_endpoint"] = "https://192.168.1.1/register" }, "must not lead to"},
		"revocation in the house":           {func(r *rig) { r.server["revocation_endpoint"] = "https://[fd00::1]/revoke" }, "must not lead to"},
		"no PKCE":                           {func(r *rig) { delete(r.server, "code_challenge_methods_supported") }, "without PKCE"},
		"PKCE in clear":                     {func(r *rig) { r.server["code_challenge_methods_supported"] = []string{"plain"} }, "without PKCE"},
		"10 MB of metadata":                 {func(r *rig) { r.routes[metadata] = big }, "more than can be read"},
		"10 MB about the resource":          {func(r *rig) { r.routes["https://tools.example.com/.well-known/oauth-protected-resource/mcp"] = big }, "more than can be read"},
		"metadata that leads elsewhere":     {func(r *rig) { r.routes[metadata] = redirectTo("http://" + here) }, "does not say where"},
		"registration that leads elsewhere": {func(r *rig) { r.routes[issuer+"/register"] = redirectTo("http://" + here) }, "did not let Drawbridge register"},
		"a resource that leads elsewhere": {func(r *rig) {
			r.routes["https://tools.example.com/.well-known/oauth-protected-resource/mcp"] = redirectTo("https://victim.example.com/")
		}, "does not say where"},
		"a name that is never public": {func(r *rig) { r.resource["authorization_servers"] = []string{"https://127.0.0.1.nip.invalid.test"} }, "must not lead to"},
		"no client id": {func(r *rig) {
			r.routes[issuer+"/register"] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }
		}, "did not let Drawbridge register"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c.how(r)
			at, err := r.Begin(t.Context(), "tools", toolsURL)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "tools ") {
				t.Errorf("led to %q: %v", at, err)
			}
			if slices.ContainsFunc(r.asked, func(s string) bool { return strings.Contains(s, "victim") }) {
				t.Errorf("asked %q", r.asked)
			}
			if caught.Load() != 0 {
				t.Error("this computer was asked")
			}
		})
	}
}

func redirectTo(where string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, where, http.StatusTemporaryRedirect)
	}
}

// What is brought to us as a server's answer: each is refused, and none of them
// leaves a token behind.
func TestHostileAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		change []string // of the answer
		id     string   // of the address that it came to
		how    func(*rig)
		says   string
	}{
		"another issuer (mix-up)":        {change: []string{"iss", "https://evil.example.com"}, says: "was not the one that answered"},
		"an issuer spelled otherwise":    {change: []string{"iss", issuer + "/"}, says: "was not the one that answered"},
		"no issuer, though promised":     {change: []string{"iss", ""}, says: "was not the one that answered"},
		"an error of another issuer":     {change: []string{"iss", "https://evil.example.com", "error", "access_denied"}, says: "was not the one that answered"},
		"another server's address":       {id: "AAAAAAAAAAAAAAAAAAAAAA", says: "not under way"},
		"a state that was never ours":    {change: []string{"state", strings.Repeat("A", 43)}, says: "not under way"},
		"no state":                       {change: []string{"state", ""}, says: "not under way"},
		"a code of another sign-in":      {change: []string{"code", "stolen"}, says: "refused the sign-in (invalid_grant)"},
		"no code":                        {change: []string{"code", ""}, says: "gave no code"},
		"a refusal":                      {change: []string{"error", "access_denied\r\nSet-Cookie: a=b"}, says: "refused the sign-in"},
		"tokens that are no bearer":      {how: func(r *rig) { r.grant["token_type"] = "mac" }, says: "can't be used"},
		"a token that breaks a header":   {how: func(r *rig) { r.grant["access_token"] = "a\r\nX-Evil: 1" }, says: "can't be used"},
		"10 MB of tokens":                {how: func(r *rig) { r.grant["pad"] = strings.Repeat("x", 10<<20) }, says: "can't be reached"},
		"a token endpoint that leads on": {how: func(r *rig) { r.routes[issuer+"/token"] = redirectTo("https://victim.example.com/token") }, says: "refused the sign-in (status 307)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			other := r.begin("stolen") // replaced by what follows
			q := r.begin("code-1")
			id := r.id("tools")
			if c.id != "" {
				id = c.id
			}
			if c.how != nil {
				r.set(func() { c.how(r) })
			}
			given := answer(q.Get("state"), "code-1", c.change...)
			_, err := r.Finish(t.Context(), id, "", given)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "eyJ") || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("it says %v", err)
			}
			if r.token(nil) != "" || slices.ContainsFunc(r.asked, func(s string) bool { return strings.Contains(s, "victim") }) {
				t.Errorf("a token came of it, or %q was asked", r.asked)
			}
			if _, err := r.Finish(t.Context(), r.id("tools"), "", answer(other.Get("state"), "stolen")); err == nil {
				t.Error("a sign-in that was begun anew counts")
			}
			r.noSecret()
		})
	}
	r := newRig(t)
	q := r.begin("code-1")
	for i, want := range []bool{true, false} {
		if _, err := r.Finish(t.Context(), r.id("tools"), "", answer(q.Get("state"), "code-1")); (err == nil) != want {
			t.Errorf("answer %d: %v", i, err)
		}
	}
	q = r.begin("code-2")
	r.later(flowTime + 1)
	if _, err := r.Finish(t.Context(), r.id("tools"), "", answer(q.Get("state"), "code-2")); err == nil {
		t.Error("an answer after eleven minutes counts")
	}
	if _, err := r.Finish(t.Context(), r.id("tools"), "", answer(r.begin("code-3").Get("state"), "code-3", "iss", issuer)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// Links are for one person, in one browser, once, as long as their session lasts.
func TestLinks(t *testing.T) {
	r := newRig(t, config.Server{Name: "tools", URL: toolsURL, ServerSettings: config.ServerSettings{SignIn: status.AsEach}})
	bob := person("bob", "session-b")
	var asked string
	link := func() string {
		t.Helper()
		_, err := r.Refused(t.Context(), "tools", toolsURL, bob, "", 401, []string{r.challenge})
		needed, ok := err.(*Needed)
		if !ok || !strings.HasPrefix(needed.Link, "https://me.example.com/sign-in?link=") || strings.Contains(needed.Error(), "link=") {
			t.Fatalf("got %v", err)
		}
		asked = needed.Asked
		return strings.TrimPrefix(needed.Link, "https://me.example.com/sign-in?link=")
	}
	who := func(sub string) oauth.Identity {
		return oauth.Identity{Issuer: bob.Issuer, Subject: sub, Email: sub + "@example.com", EmailVerified: true}
	}
	id := link()
	if id != link() {
		t.Error("each call makes another link")
	}
	if _, ok := r.Open(id, ""); ok {
		t.Error("a browser without a name opens it")
	}
	up, ok := r.Open(id, "b1")
	if _, other := r.Open(id, "b2"); !ok || other {
		t.Errorf("opened: %v, in another browser: %v", ok, other)
	}
	if got, _, ok := r.Proving(up.State, "b2"); got == "" || ok {
		t.Error("the proof counts in another browser")
	}
	if got, _, _ := r.Proving(up.State, "b1"); got != "" {
		t.Error("a state counts twice")
	}
	up, _ = r.Open(id, "b1")
	if got, sent, ok := r.Proving(up.State, "b1"); got != id || !ok || sent != up {
		t.Error("the proof is not known")
	}
	for _, other := range []oauth.Identity{who("eve"), {Issuer: "https://evil.example.com", Subject: "bob"}} {
		id := link()
		r.Open(id, "b1")
		if _, err := r.Proven(t.Context(), id, "b1", other); err == nil || !strings.Contains(err.Error(), "somebody else") {
			t.Errorf("%v: %v", other, err)
		}
	}
	id = link()
	r.Open(id, "b1")
	first := asked
	at, err := r.Proven(t.Context(), id, "b1", who("bob"))
	if err != nil || !strings.Contains(at, "redirect_uri=https%3A%2F%2Fme.example.com%2Fsign-in%2F"+r.id("tools")) {
		t.Fatalf("led to %q: %v", at, err)
	}
	if _, err := r.Proven(t.Context(), id, "b1", who("bob")); err == nil {
		t.Error("a link counts twice")
	}
	led, _ := url.Parse(at)
	state := led.Query().Get("state")
	for _, browser := range []string{"", "none", "b2"} { // "": the control listener
		if _, err := r.Finish(t.Context(), r.id("tools"), browser, answer(state, "code-1")); err == nil {
			t.Errorf("the server's answer counts in browser %q", browser)
		}
	}
	if r.token(person("alice", "a")) != "" || r.token(nil) != "" || r.token(bob) != "" {
		t.Error("somebody has a token")
	}
	if len(r.heard) != 0 {
		t.Errorf("heard of %v", r.heard)
	}
	// Whoever is on the access list no longer has nothing there either.
	r.codes["code-2"] = led.Query().Get("code_challenge")
	if _, err := r.Finish(t.Context(), r.id("tools"), "b1", answer(state, "code-2")); err != nil || r.token(bob) != "access-1" {
		t.Fatalf("bob has %q: %v", r.token(bob), err)
	}
	r.signIn()
	if len(r.heard) != 1 || first == "" || r.heard[0] != "session-b tools "+first {
		t.Errorf("heard of %v, asked as %s", r.heard, first)
	}
	r.SetAccess(oauth.AccessList{Emails: []string{"alice@example.com", "BOB@example.com"}})
	if r.token(bob) != "access-1" {
		t.Error("bob is on the list, and has lost what he had")
	}
	r.start(config.Server{Name: "tools", URL: toolsURL, ServerSettings: config.ServerSettings{SignIn: status.AsEach}})
	r.SetAccess(oauth.AccessList{Emails: []string{"alice@example.com"}})
	r.Close()
	if form := r.last(); r.token(bob) != "" || r.token(nil) == "" || form.Get("token") != "refresh-1" || len(r.disk.data) != 1 {
		t.Errorf("off the list bob has %q, the owner %q; revoked with %v; %d records", r.token(bob), r.token(nil), form, len(r.disk.data))
	}
	id = link()
	r.Forget(func(session string) bool { return session == "session-b" })
	if _, ok := r.Open(id, "b1"); ok {
		t.Error("the link outlives its session")
	}
}

// What stands in the query of a server's address may be a secret: it is not in the
// address that a browser gets.
func TestSecretInAddress(t *testing.T) {
	at := toolsURL + "?key=hush"
	r := newRig(t, config.Server{Name: "tools", URL: at})
	r.server["issuer"] = "https://tools.example.com"
	r.routes[at] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
	}
	for _, place := range []string{"/mcp", ""} { // a server of 2025-03-26
		r.routes["https://tools.example.com/.well-known/oauth-protected-resource"+place] = http.NotFound
	}
	r.routes["https://tools.example.com/.well-known/oauth-authorization-server"] = func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(r.server)
	}
	location, err := r.Begin(t.Context(), "tools", at)
	if err != nil || strings.Contains(location, "hush") || !strings.Contains(location, "resource=https%3A%2F%2Ftools.example.com%2Fmcp&") {
		t.Errorf("led to %q: %v", location, err)
	}
}
