package clients

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// pageless are the real clients' ways to sign in without a page: grant is that of
// kit/pageless.mjs.
var pageless = []struct {
	name, grant string
	program     func(t *testing.T) []string
	options     map[string]string
}{
	{"TypeScript SDK 2.4, CrossAppAccessProvider", "xaa", typescript, map[string]string{"sdk": "v2", "mode": "2026-07-28"}},
	{"Python SDK 2.3, IdentityAssertionOAuthProvider", "xaa", python("sdk2"), map[string]string{"library": "mcp", "mode": "auto"}},
	{"Python SDK 2.3, IdentityAssertionOAuthProvider, Basic", "xaa", python("sdk2"), map[string]string{"library": "mcp", "mode": "auto", "method": "client_secret_basic"}},
	{"TypeScript SDK 1.32, ClientCredentialsProvider", "secret", typescript, map[string]string{"sdk": "v1"}},
	{"TypeScript SDK 2.4, ClientCredentialsProvider", "secret", typescript, map[string]string{"sdk": "v2", "mode": "2026-07-28"}},
	{"Python SDK 1.30, ClientCredentialsOAuthProvider", "secret", python("sdk1"), map[string]string{"library": "mcp"}},
	{"Python SDK 2.3, ClientCredentialsOAuthProvider, post", "secret", python("sdk2"), map[string]string{"library": "mcp", "mode": "auto", "method": "client_secret_post"}},
	{"TypeScript SDK 1.32, PrivateKeyJwtProvider", "key", typescript, map[string]string{"sdk": "v1"}},
	{"TypeScript SDK 2.4, PrivateKeyJwtProvider", "key", typescript, map[string]string{"sdk": "v2", "mode": "2026-07-28"}},
	{"Python SDK 1.30, PrivateKeyJWTOAuthProvider", "key", python("sdk1"), map[string]string{"library": "mcp"}},
	{"Python SDK 2.3, PrivateKeyJWTOAuthProvider", "key", python("sdk2"), map[string]string{"library": "mcp", "mode": "auto"}},
}

// Every provider of the SDKs for sign-ins without a page lives through expiry, a
// second assertion, revocation with its block, and the block's end. People are
// vouched for by oidc-provider, shaped like Okta.
func TestPagelessClients(t *testing.T) {
	okta := rig.StartOkta(t, "org")
	app := rig.StartApp(t, rig.AppOptions{Okta: okta, Access: 5 * time.Second, Config: func(c *config.Config) {
		c.Enterprise = config.Enterprise{Enabled: true, Access: 5 * time.Second}
	}})
	keys := rig.Publish(t)
	signer := rig.NewSigner(t, "one")
	keys.Set("keys", []any{signer.Public()})
	der, err := x509.MarshalPKCS8PrivateKey(signer.Key)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	owner := app.Control(t)
	defer owner.Close()
	for _, c := range pageless {
		t.Run(c.name, func(t *testing.T) {
			n := status.NewClient{Name: c.name, Grants: []string{map[string]string{"xaa": "jwt-bearer"}[c.grant]}}
			options := map[string]any{"url": app.MCPURL, "issuer": app.URL, "name": c.name, "grant": c.grant}
			if c.grant != "xaa" {
				n.Grants = []string{"client_credentials"}
			}
			if c.grant == "key" {
				n.JWKSURI, options["key"] = keys.ID, key
			}
			added, secret, err := owner.AddClient(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			options["clientID"], options["clientSecret"] = added.ID, secret
			if c.grant != "xaa" {
				t.Parallel()
			} else { // one after the other: the requesting app is one
				okta.ResourceApp(app.URL, added.ID)
				options["idp"] = map[string]string{"issuer": okta.Issuer, "clientID": rig.RequestingApp, "clientSecret": okta.ClientSecret,
					"idToken": idTokenAt(t, okta.Issuer, oauth2.Config{ClientID: rig.RequestingApp, ClientSecret: okta.ClientSecret})}
			}
			for name, value := range c.options {
				options[name] = value
			}
			livePageless(t, app, c.program(t), options)
		})
	}
}

// The demo's provider vouches for its people, too.
func TestPagelessAtTheDemo(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Enterprise = config.Enterprise{Enabled: true, Access: 5 * time.Second}
	}})
	owner := app.Control(t)
	defer owner.Close()
	added, secret, err := owner.AddClient(t.Context(), status.NewClient{Name: "Claude for Acme"})
	if err != nil {
		t.Fatal(err)
	}
	livePageless(t, app, typescript(t), map[string]any{
		"url": app.MCPURL, "issuer": app.URL, "name": "Claude for Acme", "grant": "xaa", "sdk": "v2", "mode": "2026-07-28", "clientID": added.ID, "clientSecret": secret,
		"idp": map[string]string{"issuer": app.Demo.Issuer, "clientID": added.ID, "clientSecret": demo.ClientSecret,
			"idToken": idTokenAt(t, app.Demo.Issuer, oauth2.Config{ClientID: demo.ClientID, ClientSecret: demo.ClientSecret})}})
}

// livePageless takes one client through its days.
func livePageless(t *testing.T, app *rig.App, program []string, options map[string]any) {
	arg, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	program = append(program, string(arg))
	conn := &connection{t: t, script: rig.StartProcess(t, nil, program[0], program[1:]...)}
	name, through := options["name"].(string), status.Enterprise
	if options["grant"] != "xaa" {
		through = status.Machine
	}
	mine := func() (list []status.Session) {
		for _, s := range app.Sessions(t) {
			if s.Client.Name == name {
				list = append(list, s)
			}
		}
		return list
	}
	conn.mustDo(t, "connect")
	conn.mustCall(t)
	who := conn.mustDo(t, "whoami")
	if want := map[string]string{status.Enterprise: "alice@example.com", status.Machine: "machine:" + name}[through]; !strings.Contains(who, want) {
		t.Errorf("whoami says %s, want %s", who, want)
	}
	list := mine()
	if len(list) != 1 || list[0].Through != through || list[0].Client.Kind != "static" {
		t.Fatalf("sessions %+v", list)
	}
	first := list[0]

	// Its tokens run out, and the next ones belong to the same session.
	rig.WaitFor(t, "another assertion", func() bool {
		conn.mustCall(t)
		now := mine()
		return len(now) == 1 && now[0].ID == first.ID && now[0].ExpiresAt.After(first.ExpiresAt)
	})

	app.RevokeSession(t, first.ID)
	t.Logf("revoked: %s", refusal(t, conn.script, "call"))
	t.Logf("blocked: %s", refusal(t, rig.StartProcess(t, nil, program[0], program[1:]...), "connect"))
	if n := len(mine()); n != 0 {
		t.Errorf("%d sessions while blocked", n)
	}
	owner := app.Control(t)
	defer owner.Close()
	blocked, err := owner.Blocked(t.Context())
	if err != nil || !slices.ContainsFunc(blocked, func(b status.Block) bool { return b.ID == first.ID && b.Client == name && b.Through == through }) {
		t.Fatalf("blocked: %+v, %v", blocked, err)
	}
	if err := owner.Unblock(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	again := &connection{t: t, script: rig.StartProcess(t, nil, program[0], program[1:]...)}
	again.mustDo(t, "connect")
	again.mustCall(t)
	if list = mine(); len(list) != 1 || list[0].ID == first.ID {
		t.Errorf("after the block: %+v", list)
	}
}

// refusal has a program do what fails, and returns what it says of that. A program
// of the Python SDK ends of it.
func refusal(t *testing.T, script *rig.Script, what string) string {
	t.Helper()
	script.Write(map[string]string{"do": what})
	select {
	case line, ok := <-script.Lines:
		if ok && !strings.Contains(line, `"error"`) {
			t.Errorf("%s: it says %s", what, line)
		}
		return line + " " + rig.Clip(script.Log.String())
	case <-time.After(time.Minute):
		t.Fatalf("%s: it says nothing for a minute", what)
	}
	return ""
}

// idTokenAt signs alice in at a provider as app does, and returns her ID token.
func idTokenAt(t *testing.T, issuer string, app oauth2.Config) string {
	t.Helper()
	resp, err := rig.PlainHTTP.Get(issuer + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var at struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&at); err != nil {
		t.Fatal(err)
	}
	app.Endpoint, app.RedirectURL, app.Scopes = oauth2.Endpoint{AuthURL: at.Authorize, TokenURL: at.Token, AuthStyle: oauth2.AuthStyleInParams}, rig.ClientURI, []string{"openid", "profile", "email"}
	verifier := oauth2.GenerateVerifier()
	b := rig.NewBrowser(t)
	end := b.Walk(b.OpenUntil(app.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), rig.ClientURI), "alice", rig.ClientURI)
	if end.Status != 0 || end.URL.Query().Get("code") == "" {
		t.Fatalf("the sign-in ended at %s (%d): %s", rig.WithoutQuery(end.URL), end.Status, rig.Clip(end.Text()))
	}
	token, err := app.Exchange(t.Context(), end.URL.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	idToken, _ := token.Extra("id_token").(string)
	return idToken
}
