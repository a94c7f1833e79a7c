package rig

import (
	"strconv"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// SignInServers are servers that nobody of Drawbridge wrote, each of which wants
// a sign-in of its own: see servers/signin.
type SignInServers struct {
	// URLs are those of oidcproxy and remote (FastMCP 4), split and legacy (the
	// Python SDK's example), and typescript.
	URLs map[string]string
	// AS is the authorization server that remote and typescript trust.
	AS *Okta
	// Demo is the OpenID provider behind oidcproxy.
	Demo *demo.Running

	python *Script
}

// StartSignInServers starts them; tokens that can be refreshed live for so many
// seconds.
func StartSignInServers(t testing.TB, seconds int) *SignInServers {
	t.Helper()
	python := NeedPython(t, "sdk2")
	s := &SignInServers{Demo: StartDemoProvider(t), AS: &Okta{Script: StartScript(t, nil, "provider/provider.mjs", "open", strconv.Itoa(seconds))}}
	s.AS.Read(s.AS)
	s.python = StartProcess(t, nil, python, "servers/signin/python.py", s.Demo.Issuer, demo.ClientID, demo.ClientSecret, s.AS.Issuer, strconv.Itoa(seconds))
	typescript := StartScript(t, nil, "servers/signin/typescript.mjs", s.AS.Issuer)
	s.python.Read(&s.URLs)
	var ts struct{ URL string }
	typescript.Read(&ts)
	s.URLs["typescript"] = ts.URL
	return s
}

// Revoke makes what was given so far worthless: tokens of the Python servers at
// once, those of the other authorization server when they are refreshed.
func (s *SignInServers) Revoke() {
	s.python.t.Helper()
	s.python.Write(map[string]string{"do": "revoke"})
	s.python.Read(&struct{}{})
	s.AS.do(map[string]any{"do": "forget"}, &struct{}{})
}

// Refreshed returns how many refresh tokens the authorization server of remote and
// typescript has exchanged.
func (s *SignInServers) Refreshed() int { return s.AS.State().Refreshed }
