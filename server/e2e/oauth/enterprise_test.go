package oauth

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// A provider's assertion opens what a sign-in opens: one session, renewed by each
// further assertion, without a refresh token; what the metadata says is what is done.
func TestEnterprise(t *testing.T) {
	e := newEnterprise(t)
	var meta struct {
		Grants   []string `json:"grant_types_supported"`
		Profiles []string `json:"authorization_grant_profiles_supported"`
		Methods  []string `json:"token_endpoint_auth_methods_supported"`
	}
	e.app.Get(t, "/.well-known/oauth-authorization-server").JSON(t, &meta)
	if !slices.Contains(meta.Grants, jagGrant) || !slices.Equal(meta.Profiles, []string{"urn:ietf:params:oauth:grant-profile:id-jag"}) ||
		!slices.Contains(meta.Methods, "client_secret_basic") || !slices.Contains(meta.Methods, "client_secret_post") || meta.Methods[0] != "none" {
		t.Errorf("metadata: %+v", meta)
	}
	first := e.in()
	if first.Refresh != "" || first.ExpiresIn != 300 || first.Scope != "openid email" {
		t.Errorf("tokens: refresh %t, %d s, scope %q", first.Refresh != "", first.ExpiresIn, first.Scope)
	}
	e.app.MustWorkWith(t, first.Access)
	before := e.app.Sessions(t)
	second := e.in()
	e.app.MustWorkWith(t, first.Access) // until it expires
	e.app.MustWorkWith(t, second.Access)
	after := e.app.Sessions(t)
	if len(before) != 1 || len(after) != 1 || after[0].ID != before[0].ID || !after[0].ExpiresAt.After(before[0].ExpiresAt) {
		t.Fatalf("sessions: %+v, then %+v", before, after)
	}
	if s := after[0]; s.Through != status.Enterprise || "http://"+s.Provider != e.company.issuer || // not [idp]'s, which never spoke for her
		s.User.Email != "alice@example.com" || s.Client.Name != "Claude for Acme" || s.Client.Kind != "static" {
		t.Errorf("session: %+v", s)
	}
	var who struct{ Through string }
	e.app.MCP(t, second.Access).TryTool("whoami", map[string]any{}).Decode(t, &struct {
		StructuredContent any `json:"structuredContent"`
	}{&who})
	if who.Through != "enterprise" {
		t.Errorf("whoami: %+v", who)
	}
	a := e.app.MustConclude(t, "connected", "ok", "Claude for Acme is connected: alice@example.com")
	if kinds := rig.Outline([]status.Attempt{a}); !strings.Contains(kinds, "token.vouched") {
		t.Errorf("the attempt does not tell of the assertion: %s", kinds)
	}
}

// What may differ without harm is taken (RFC 7519 §4.1.3, RFC 8707; clocks differ).
func TestEnterpriseTakes(t *testing.T) {
	e := newEnterprise(t)
	for name, pairs := range map[string][]string{
		"an audience with a slash":          {"aud", quoted(e.app.URL + "/")},
		"an audience in a list":             {"aud", "[" + quoted(e.app.URL) + "]"},
		"no resource":                       {"resource", ""},
		"a resource with a slash":           {"resource", quoted(e.app.MCPURL + "/")},
		"a resource in a list":              {"resource", "[" + quoted(e.app.MCPURL) + "]"},
		"one that expired 20 seconds ago":   {"exp", seconds(-20 * time.Second), "iat", seconds(-200 * time.Second)},
		"a clock 20 seconds ahead":          {"iat", seconds(20 * time.Second), "nbf", seconds(20 * time.Second), "exp", seconds(200 * time.Second)},
		"fractions of seconds":              {"iat", seconds(-time.Second) + ".5"},
		"no scope":                          {"scope", ""},
		"no address where anyone may enter": {"email", ""},
		"claims that mean nothing here":     {"acr", `"urn:x"`, "amr", `["mfa"]`, "auth_time", seconds(-time.Hour)},
	} {
		if r := e.redeem(e.with(pairs...).text()); r.Status != 200 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	// The token's scope is in what was asked for and in what the provider names.
	for _, c := range [][3]string{{`"openid email other"`, "email profile", "email"}, {"", "email profile", "email profile"}, {`"unheard.of"`, "", ""}, {`"openid offline_access"`, "", "openid"}} {
		if tokens := e.app.MustTokens(t, e.redeem(e.with("scope", c[0]).text(), "scope", c[1])); tokens.Scope != c[2] || tokens.Refresh != "" {
			t.Errorf("the provider names %s, asked for is %q: %q, want %q", c[0], c[1], tokens.Scope, c[2])
		}
	}
	// A key that is new at the provider is fetched.
	e.company.rotate(t)
	e.in()
}

// An assertion is good once, whatever happens in between.
func TestEnterpriseReplay(t *testing.T) {
	e := newEnterprise(t)
	used := e.jag().text()
	e.app.MustTokens(t, e.redeem(used))
	e.redeem(used).Want(t, 400, "invalid_grant")
	e.app.MustConclude(t, "token.again", "refused", "a second time")
	e.app.Stop()
	e.app.Start()
	e.redeem(used).Want(t, 400, "invalid_grant")
	e.in()
}

// A revoked session blocks this person with this client, and nobody else, until the
// owner lifts it; a restart changes nothing.
func TestEnterpriseBlock(t *testing.T) {
	e := newEnterprise(t)
	tokens := e.in()
	bob := func() *rig.Reply {
		return e.redeem(e.with("sub", `"00u2bob"`, "email", `"bob@example.com"`).text())
	}
	e.app.MustTokens(t, bob())
	id := ""
	for _, s := range e.app.Sessions(t) {
		if s.User.Email == "alice@example.com" {
			id = s.ID
		}
	}
	e.app.RevokeSession(t, id)
	e.app.MustNotOpen(t, tokens.Access)
	for range 2 {
		again := e.jag().text()
		e.redeem(again).Want(t, 400, "invalid_grant")
		e.redeem(again).Want(t, 400, "invalid_grant") // still for the block: it was not used up
		events := e.app.Events(t, status.TokenRefused)
		if last := events[len(events)-1]; last.User != "alice@example.com" || last.Client != "Claude for Acme" || !strings.Contains(last.Reason, "sessions unblock "+id) {
			t.Errorf("event: %+v", last)
		}
		e.app.MustTokens(t, bob())
		blocked := e.app.Srv.Snapshot().Blocked
		if len(blocked) != 1 || blocked[0].ID != id || blocked[0].User.Email != "alice@example.com" || blocked[0].Client != "Claude for Acme" || blocked[0].Through != status.Enterprise {
			t.Fatalf("blocked: %+v", blocked)
		}
		e.app.Stop()
		e.app.Start()
	}
	e.redeem(e.jag().text()).Want(t, 400, "invalid_grant")
	e.app.MustConclude(t, "token.blocked", "refused", "alice@example.com came with Claude for Acme after you revoked the session")
	// In a browser she may sign in: that takes her own click, and the owner's list.
	e.app.SignIn(t, rig.NewBrowser(t), e.app.Register(t, rig.ClientURI), "alice")
	if err := e.app.Srv.Unblock(t.Context(), "nothing"); err == nil {
		t.Error("what is not blocked was unblocked")
	}
	if err := e.app.Srv.Unblock(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	e.app.MustWorkWith(t, e.in().Access)

	// All at once blocks all; what the client itself gives back blocks nobody.
	if n, err := e.app.Srv.RevokeAll(t.Context()); n < 2 || err != nil {
		t.Fatal(n, err)
	}
	e.redeem(e.jag().text()).Want(t, 400, "invalid_grant")
	bob().Want(t, 400, "invalid_grant")
	for _, b := range e.app.Srv.Snapshot().Blocked {
		if err := e.app.Srv.Unblock(t.Context(), b.ID); err != nil {
			t.Fatal(err)
		}
	}
	back := e.in()
	if r := e.app.PostForm(t, "/revoke", url.Values{"token": {back.Access}, "client_id": {e.client.ID}, "client_secret": {e.secret}}); r.Status != 200 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	e.app.MustNotOpen(t, back.Access)
	e.in()
}

// Who may come in is decided as ever. Groups that the assertion leaves out are those
// of a sign-in in a browser, as long as that goes on.
func TestEnterpriseAccess(t *testing.T) {
	e := newEnterprise(t, func(c *config.Config) {
		c.Access = config.Access{Emails: []string{"carol@example.com"}, Groups: []string{"admins"}}
	})
	carol := []string{"sub", `"00u3carol"`, "email", `"carol@example.com"`}
	refused := func(why string, pairs ...string) {
		t.Helper()
		e.redeem(e.with(pairs...).text()).Want(t, 400, "invalid_grant")
		events := e.app.Events(t, status.TokenRefused)
		if last := events[len(events)-1]; !strings.Contains(last.Reason, why) {
			t.Errorf("event %q, want %q", last.Reason, why)
		}
	}
	refused("sign in here once in a browser")
	refused("is not on the access list", "groups", `["everyone"]`)
	refused("not verified", append(carol, "email_verified", "false")...)
	for _, good := range [][]string{carol, append(carol, "email_verified", "true"), {"groups", `["admins"]`}} {
		e.app.MustTokens(t, e.redeem(e.with(good...).text()))
	}
	tokens := e.app.SignIn(t, rig.NewBrowser(t), e.app.Register(t, rig.ClientURI), "alice")
	e.app.MustTokens(t, e.redeem(e.jag().text()))
	for _, s := range e.app.Sessions(t) {
		if known := !s.GroupsOf.IsZero(); s.User.Email == "alice@example.com" && known != (s.Through == status.Enterprise) {
			t.Errorf("groups of an earlier sign-in: %+v", s)
		}
	}
	for _, s := range e.app.Sessions(t) {
		if s.Through == "" {
			e.app.RevokeSession(t, s.ID)
		}
	}
	e.app.MustNotOpen(t, tokens.Access)
	refused("sign in here once in a browser")
}

// A client proves itself by its secret in the header, both parts encoded, or in the
// form. Wrong ones are slowed, and the right one is taken all the while.
func TestKnownClient(t *testing.T) {
	e := newEnterprise(t)
	form := func(header string, change ...string) *rig.Reply {
		v := rig.With(url.Values{"grant_type": {jagGrant}, "assertion": {e.jag().text()}, "client_id": {e.client.ID}}, change)
		headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
		if header != "" {
			headers = append(headers, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(header)))
		}
		return e.app.Do(t, "POST", "/token", strings.NewReader(v.Encode()), headers...)
	}
	encoded := strings.ReplaceAll(strings.ReplaceAll(e.secret, "_", "%5F"), "-", "%2D") // RFC 6749 §2.3.1
	for _, r := range []*rig.Reply{form(e.client.ID + ":" + encoded), form(e.client.ID+":"+e.secret, "client_id", ""), form("", "client_secret", e.secret)} {
		e.app.MustTokens(t, r)
	}
	form("").Want(t, 401, "invalid_client")
	form(e.client.ID+":"+e.secret, "client_id", "dbk_other").Want(t, 401, "invalid_client")
	form(e.client.ID+":"+e.secret, "client_secret", e.secret).Want(t, 401, "invalid_client") // §2.3: one method
	form("dbk_other:"+e.secret, "client_id", "").Want(t, 401, "invalid_client")
	slowed := false
	for range 20 {
		r := form(e.client.ID + ":" + e.secret[:len(e.secret)-1])
		if slowed = slowed || r.Status == 429; r.Status != 401 && r.Status != 429 || r.Status == 429 && r.Header.Get("Retry-After") == "" {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	if !slowed {
		t.Error("twenty wrong secrets were not slowed")
	}
	e.app.MustTokens(t, form(e.client.ID+":"+e.secret))
	e.app.MustConclude(t, "token.secret", "refused", "drawbridge client rotate")

	old := e.secret
	next, until, err := e.app.Srv.RotateClient(t.Context(), "claude FOR acme")
	if left := time.Until(until); err != nil || left < 23*time.Hour || left > 24*time.Hour {
		t.Fatal(until, err)
	}
	e.app.Stop()
	e.app.Start()
	for _, secret := range []string{old, next} {
		e.app.MustTokens(t, form(e.client.ID+":"+secret))
	}
	if next, _, err = e.app.Srv.RotateClient(t.Context(), e.client.ID); err != nil {
		t.Fatal(err)
	}
	form(e.client.ID+":"+old).Want(t, 401, "invalid_client")
	tokens := e.app.MustTokens(t, form(e.client.ID+":"+next))
	list := e.app.Srv.Clients()
	if len(list) != 1 || !list[0].Known || list[0].Kind != "static" || list[0].Sessions != 1 || list[0].LastUsed.IsZero() || list[0].OldSecretUntil.IsZero() || !slices.Equal(list[0].Grants, []string{"jwt-bearer"}) {
		t.Errorf("clients: %+v", list)
	}
	if _, _, err := e.app.Srv.AddClient(t.Context(), status.NewClient{Name: "claude for acme"}); err == nil {
		t.Error("two clients of one name")
	}
	if err := e.app.Srv.DeleteClient(t.Context(), e.client.ID); err != nil {
		t.Fatal(err)
	}
	e.app.MustNotOpen(t, tokens.Access)
	form(e.client.ID+":"+next).Want(t, 401, "invalid_client")
	if list := e.app.Srv.Clients(); len(list) != 0 {
		t.Errorf("clients: %+v", list)
	}
	if log := e.app.Log.String(); strings.Contains(log, next) || strings.Contains(log, old) {
		t.Error("a secret stands in the log")
	}
}

// It handles a known client that signs people in: its own redirect URI counts
// though it is on no list, and its code wants its secret.
func TestKnownClientSignsIn(t *testing.T) {
	e := newEnterprise(t)
	const at = "https://agents.acme.example/callback"
	added, secret := e.add(status.NewClient{Name: "Acme agents", RedirectURIs: []string{at}})
	c := rig.Client{ID: added.ID, RedirectURI: at}
	req := e.app.NewAuthRequest(c)
	code := e.app.Code(t, rig.NewBrowser(t), req, "alice")
	e.app.Redeem(t, req, code).Want(t, 401, "invalid_client")
	tokens := e.app.MustTokens(t, e.app.Redeem(t, req, code, "client_secret", secret))
	e.app.MustWorkWith(t, tokens.Access)
	e.app.Refresh(t, c, tokens.Refresh).Want(t, 401, "invalid_client")
	e.app.MustTokens(t, e.app.Refresh(t, c, tokens.Refresh, "client_secret", secret))
	e.redeem(e.with("client_id", quoted(added.ID)).text(), "client_id", added.ID, "client_secret", secret).Want(t, 400, "unauthorized_client")
	// One that may not sign people in has no way to begin.
	only := e.app.NewAuthRequest(rig.Client{ID: e.client.ID, RedirectURI: at})
	if r := e.app.Get(t, "/authorize?"+only.Values.Encode()); r.Status != 400 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Panic makes every secret void and blocks who was in: a new secret alone lets nobody
// back.
func TestEnterprisePanic(t *testing.T) {
	e := newEnterprise(t)
	tokens := e.in()
	if _, err := e.app.Srv.Panic(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.app.Srv.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "Drawbridge to be ready", func() bool { return e.app.Srv.Status().State == status.Ready })
	e.app.MustNotOpen(t, tokens.Access)
	e.redeem(e.jag().text()).Want(t, 401, "invalid_client")
	var err error
	if e.secret, _, err = e.app.Srv.RotateClient(t.Context(), e.client.ID); err != nil {
		t.Fatal(err)
	}
	e.redeem(e.jag().text()).Want(t, 400, "invalid_grant")
	for _, b := range e.app.Srv.Snapshot().Blocked {
		if err := e.app.Srv.Unblock(t.Context(), b.ID); err != nil {
			t.Fatal(err)
		}
	}
	e.app.MustWorkWith(t, e.in().Access)
}
