package rig

import (
	"testing"
)

// Okta is an oidc-provider set up like one of Okta's two kinds of
// authorization server. Its users are alice and bob.
type Okta struct {
	*Script
	Issuer       string `json:"issuer"`
	Audience     string `json:"audience"` // of access tokens; "" where they are opaque
	ClientID     string `json:"clientID"`
	ClientSecret string `json:"clientSecret"`
}

// OktaState is what the provider has seen so far.
type OktaState struct {
	Requests  map[string]int // path → count
	Refreshed int            // refresh tokens exchanged
	Revoked   int            // revocations answered
	Live      []string       // subjects of refresh tokens that still work
}

// StartOkta starts a provider of shape "custom" or "org".
func StartOkta(t testing.TB, shape string) *Okta {
	t.Helper()
	o := &Okta{Script: StartScript(t, nil, "provider/provider.mjs", shape)}
	o.Read(o)
	return o
}

// AllowRedirect makes uri the one redirect URI that the provider accepts.
func (o *Okta) AllowRedirect(uri string) {
	o.do(map[string]any{"do": "redirect", "uri": uri}, &struct{}{})
}

// SetUser changes a person: groups, active, email, email_verified, name.
func (o *Okta) SetUser(name string, set map[string]any) {
	o.do(map[string]any{"do": "user", "name": name, "set": set}, &struct{}{})
}

// SetMode makes the provider work ("ok") or answer 503 ("down").
func (o *Okta) SetMode(mode string) { o.do(map[string]any{"do": "mode", "value": mode}, &struct{}{}) }

// RotateKeys replaces the provider's signing key.
func (o *Okta) RotateKeys() { o.do(map[string]any{"do": "rotateKeys"}, &struct{}{}) }

// RequestingApp is the client id, at the provider, of the app that gets assertions.
// Its secret is that of Drawbridge.
const RequestingApp = "0oaRequesting"

// ResourceApp adds Drawbridge as the administrator does: by its issuer, and with the
// id by which it knows the requesting app.
func (o *Okta) ResourceApp(issuer, client string) {
	o.do(map[string]any{"do": "resourceApp", "issuer": issuer, "client": client}, &struct{}{})
}

// State returns what the provider has seen.
func (o *Okta) State() OktaState {
	var s OktaState
	o.do(map[string]any{"do": "state"}, &s)
	return s
}

func (o *Okta) do(command, answer any) {
	o.t.Helper()
	o.Write(command)
	o.Read(answer)
}
