package idp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func (r *rig) authURL(t testing.TB) (*url.URL, error) {
	t.Helper()
	s, err := r.AuthURL(t.Context(), oauth.UpstreamRequest{State: "the-state", Nonce: theNonce, Verifier: theVerifier})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u, nil
}

func TestDiscoveryFaults(t *testing.T) {
	set := func(name string, value any) func(*faulty) {
		return func(f *faulty) { f.metadata[name] = value }
	}
	at := func(path string, h http.HandlerFunc) func(*faulty) {
		return func(f *faulty) { f.handle[path] = h }
	}
	for _, c := range []struct {
		name  string
		spoil func(*faulty)
		kind  oauth.ProviderErrorKind
		says  string
	}{
		{"it handles another issuer", set("issuer", "https://evil.example"), misconfigured, "another issuer"}, // Discovery §4.3
		{"it handles a slash too many", func(f *faulty) { f.metadata["issuer"] = f.URL + "/" }, misconfigured, "Add the slash"},
		{"it handles a missing issuer", set("issuer", ""), misconfigured, "another issuer"},
		{"it handles a token endpoint without https", set("token_endpoint", "http://idp.example/token"), misconfigured, "without https"},
		{"it handles a userinfo endpoint without https", set("userinfo_endpoint", "http://idp.example/me"), misconfigured, "without https"},
		{"it handles a missing JWKS", set("jwks_uri", nil), misconfigured, "lacks an endpoint"},
		{"it handles an outage", at("/discovery", answerStatus(503)), unreachable, "problem of its own"},
		{"it handles too many requests", at("/discovery", answerStatus(429)), unreachable, "too often"},
		{"it handles no document", at("/discovery", answerStatus(404)), misconfigured, "no OpenID discovery document"},
		{"it handles a page instead", at("/discovery", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<b>hello</b>")) }), misconfigured, "not with an OpenID"},
		{"it handles an endless document", at("/discovery", func(w http.ResponseWriter, r *http.Request) {
			reply(w, 200, map[string]string{"issuer": "http://" + r.Host, "authorization_endpoint": "http://" + r.Host, "token_endpoint": "http://" + r.Host, "jwks_uri": "http://" + r.Host + "/jwks"})
			w.Write(bytes.Repeat([]byte(" "), maxBody))
		}), misconfigured, "not with an OpenID"},
		{"it handles a broken connection", at("/discovery", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("{"))
		}), unreachable, "can't be reached"},
		{"it handles a redirect to http elsewhere", at("/discovery", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://idp.example/", http.StatusFound)
		}), misconfigured, "not with an OpenID"},
		{"it handles keys that are away", at("/jwks", answerStatus(503)), unreachable, "problem of its own"},
		{"it handles keys that are nowhere", at("/jwks", answerStatus(404)), misconfigured, "does not publish its keys"},
		{"it handles keys that can't verify", at("/jwks", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, map[string]any{"keys": []any{map[string]string{"kty": "oct", "k": "AAAA"}}})
		}), misconfigured, "no key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.spoil(r.f)
			wantError(t, r.Check(t.Context()), c.kind, c.says)
			want := status.IDPMisconfigured
			if c.kind == unreachable {
				want = status.IDPUnreachable
			}
			if s := r.State(); s.State != want || s.Error == "" || s.Issuer != r.f.URL {
				t.Errorf("state %+v", s)
			}
			if c.kind == unreachable && !r.changes.equal(want) {
				t.Errorf("told %v", r.changes.states)
			}
		})
	}
}

func TestIssuerMustBeSecure(t *testing.T) {
	for _, issuer := range []string{"http://idp.example", "http://127.0.0.1.idp.example", "ftp://127.0.0.1", "idp.example", ""} {
		r := newRig(t, func(cfg *Config) { cfg.Issuer = issuer })
		wantError(t, r.Check(t.Context()), misconfigured, "https")
	}
}

func TestHangingProviderTimesOut(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, func(cfg *Config) { cfg.HTTPClient = &http.Client{Timeout: 50 * time.Millisecond} })
	r.f.handle["/discovery"] = func(http.ResponseWriter, *http.Request) { <-release }
	defer close(release)
	_, err := r.authURL(t)
	wantError(t, err, unreachable, "can't be reached")
}

// One person's browser that goes away must not fail the others who wait.
func TestOneWaiterLeaves(t *testing.T) {
	r := newRig(t)
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.f.handle["/discovery"] = func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(asked) })
		<-release
		reply(w, 200, r.f.metadata)
	}
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := r.AuthURL(ctx, oauth.UpstreamRequest{})
		first <- err
	}()
	<-asked
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who left: %v", err)
	}
	second := make(chan error)
	go func() {
		_, err := r.AuthURL(t.Context(), oauth.UpstreamRequest{})
		second <- err
	}()
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the one who stayed: %v", err)
	}
}

func TestDiscoveryBacksOffAndRecovers(t *testing.T) {
	r := newRig(t)
	if s := r.State(); s.State != status.IDPUnreachable || s.Error != notAsked {
		t.Errorf("state before the first answer: %+v", s)
	}
	r.f.handle["/discovery"] = answerStatus(503)
	for range 5 {
		_, err := r.authURL(t)
		wantError(t, err, unreachable, "problem of its own")
	}
	if n := r.f.count("/discovery"); n != 1 {
		t.Errorf("asked %d times within a second", n)
	}
	r.clock.advance(firstBackoff)
	if _, err := r.authURL(t); err == nil {
		t.Error("no error")
	}
	r.clock.advance(firstBackoff) // the second wait is longer
	r.authURL(t)
	if n := r.f.count("/discovery"); n != 2 {
		t.Errorf("asked %d times", n)
	}
	r.f.spoil(func(f *faulty) { delete(f.handle, "/discovery") })
	r.clock.advance(2 * firstBackoff)
	if _, err := r.authURL(t); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	if !r.changes.equal(status.IDPUnreachable, status.IDPOK) {
		t.Errorf("told %v", r.changes.states)
	}
}

func TestDiscoveryIsRenewed(t *testing.T) {
	r := newRig(t)
	r.authURL(t)
	r.clock.advance(metadataTTL - time.Second)
	r.authURL(t)
	if n := r.f.count("/discovery"); n != 1 {
		t.Errorf("asked %d times within a day", n)
	}
	// A day later it is away: yesterday's document goes on.
	r.f.spoil(func(f *faulty) { f.handle["/discovery"] = answerStatus(503) })
	r.clock.advance(time.Hour)
	if _, err := r.authURL(t); err != nil {
		t.Errorf("with a document of yesterday: %v", err)
	}
	r.f.spoil(func(f *faulty) {
		delete(f.handle, "/discovery")
		f.metadata["authorization_endpoint"] = f.URL + "/moved"
	})
	r.clock.advance(time.Minute)
	if u, err := r.authURL(t); err != nil || u.Path != "/moved" {
		t.Errorf("the renewed document: %v %v", u, err)
	}
}

func TestMovedEndpointsAreFound(t *testing.T) {
	r := newRig(t)
	r.f.handle["/token"] = answerStatus(503)
	for range maxStrikes {
		_, err := r.exchange(t)
		wantError(t, err, unreachable, "problem of its own")
	}
	r.f.spoil(func(f *faulty) {
		f.metadata["token_endpoint"] = f.URL + "/v2/token"
		f.handle["/v2/token"] = func(w http.ResponseWriter, _ *http.Request) {
			answer := map[string]any{"access_token": "opaque", "id_token": f.idToken()}
			reply(w, 200, answer)
		}
	})
	if _, err := r.exchange(t); err != nil {
		t.Errorf("at the new endpoint: %v", err)
	}
}

func TestAuthURL(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.Scopes = []string{"email", "offline_access", "email"} })
	s, err := r.AuthURL(t.Context(), oauth.UpstreamRequest{State: "the-state", Nonce: theNonce, Verifier: theVerifier, Prompt: "login", LoginHint: "ana@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(s)
	want := map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": "http://127.0.0.1:8000/auth/callback", "state": "the-state",
		"scope": "openid email offline_access", "nonce": theNonce, "prompt": "login", "login_hint": "ana@example.com",
		"code_challenge_method": "S256", "resource": "", "audience": "",
	}
	for name, value := range want {
		if got := u.Query().Get(name); got != value {
			t.Errorf("%s=%q, want %q", name, got, value)
		}
	}
	if challenge := u.Query().Get("code_challenge"); len(challenge) != 43 || strings.Contains(s, theVerifier) {
		t.Errorf("challenge %q in %s", challenge, s)
	}
}
